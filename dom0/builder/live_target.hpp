// A domain under construction on the running hypervisor.
#pragma once

#include "dom0/builder/builder.hpp"
#include "dom0/lib/hypervisor.hpp"

namespace xylem::dom0::builder {

class LiveTarget final : public BuildTarget {
public:
    LiveTarget(Hypervisor& hypervisor, DomId domain) : hypervisor_(hypervisor), domain_(domain) {}

    std::vector<Mfn> populate(u64 pages) override;
    void with_frames(std::span<const Mfn> frames, const Use& use) override;
    Mfn shared_info_frame() override;
    void install_hypercall_page(Mfn frame) override;
    void pin_root(Mfn frame) override;
    void set_boot_context(const abi::VcpuGuestContext& context) override;
    void with_grant_table(const std::function<void(std::span<abi::GrantEntryV1>)>& use) override;

private:
    Hypervisor& hypervisor_;
    DomId domain_;
    std::optional<Mfn> shared_info_;
};

}
