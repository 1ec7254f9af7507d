// Builds a PV domain: gives it memory, puts kernel, ramdisk, tables and start_info where they belong, and starts its
// first vCPU.
//
// The builder acts on a domain through BuildTarget, which the hypervisor client implements and a test imitates in
// memory. It leaves clean-up to its caller: a domain that it could not finish is to be destroyed.
#pragma once

#include "dom0/builder/layout.hpp"
#include "hypervisor/abi/grant_table.hpp"
#include "hypervisor/abi/vcpu.hpp"

#include <functional>
#include <string>

namespace xylem::dom0::builder {

/// A domain under construction.
class BuildTarget {
public:
    virtual ~BuildTarget() = default;
    using Use = std::function<void(std::span<std::byte>)>;

    /// Gives the domain `pages` frames, as pfn 0 to pages - 1.
    /// @return which machine frames they are
    /// @throws BuildError  there is not so much memory
    virtual std::vector<Mfn> populate(u64 pages) = 0;
    /// Calls `use` with the bytes of `frames`, one after the other.
    virtual void with_frames(std::span<const Mfn> frames, const Use& use) = 0;
    virtual Mfn shared_info_frame() = 0;
    virtual void install_hypercall_page(Mfn frame) = 0;
    virtual void pin_root(Mfn frame) = 0;
    virtual void set_boot_context(const abi::VcpuGuestContext& context) = 0;
    /// Calls `use` with the first frame of the domain's grant table.
    virtual void with_grant_table(const std::function<void(std::span<abi::GrantEntryV1>)>& use) = 0;
};

/// What the toolstack decides.
struct BuildRequest {
    u64 pages = 0;
    Content ramdisk; ///< empty for none
    std::string command_line;
    Port store_port{};
    Port console_port{};
    DomId store_domain{};   ///< who serves the store's ring
    DomId console_domain{}; ///< who serves the console's ring
};

/// What the toolstack has to tell others.
struct BuildResult {
    Mfn store_ring{};
    Mfn console_ring{};
};

/// Follows `layout`, which plan_layout made for this kernel, ramdisk and number of pages.
/// @throws BuildError, HypercallError, std::system_error
BuildResult build(BuildTarget& target, const Kernel& kernel, const Layout& layout, const BuildRequest& request);

/// The longest command line that fits start_info.
inline constexpr std::size_t longest_command_line = 1023;

}
