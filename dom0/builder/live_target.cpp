// See live_target.hpp.
#include "dom0/builder/live_target.hpp"

#include "dom0/builder/error.hpp"
#include "dom0/lib/foreign.hpp"

#include <fmt/format.h>

namespace xylem::dom0::builder {

namespace {

constexpr unsigned large_order = 9; // 2 MiB: what an unprivileged domain may be given in one piece
constexpr std::size_t extents_a_call = 4096;

}

/// Large pieces while there are any, then single frames: memory may be there, but in pieces.
std::vector<Mfn> LiveTarget::populate(u64 pages)
{
    std::vector<Mfn> mfns(pages);
    u64 next = 0;
    for (unsigned order : {large_order, 0U}) {
        const u64 step = u64{1} << order;
        while (next + step <= pages) {
            std::vector<u64> extents;
            for (u64 pfn = next; pfn + step <= pages && extents.size() < extents_a_call; pfn += step)
                extents.push_back(pfn);
            const std::size_t given = hypervisor_.populate(domain_, extents, order);
            for (std::size_t i = 0; i < given; ++i)
                for (u64 j = 0; j < step; ++j)
                    mfns[next++] = Mfn(extents[i] + j);
            if (given < extents.size())
                break;
        }
    }
    if (next < pages)
        throw BuildError(fmt::format("there is not enough free memory: {} MiB are wanted, {} MiB could be had",
                                     pages * page_size >> 20, next * page_size >> 20));
    return mfns;
}

void LiveTarget::with_frames(std::span<const Mfn> frames, const Use& use)
{
    const ForeignMapping mapping = map_foreign(hypervisor_.privcmd(), domain_, frames, Protection::read_write);
    use({mapping.data(), mapping.size()});
}

Mfn LiveTarget::shared_info_frame()
{
    if (!shared_info_) {
        const auto info = hypervisor_.domain(domain_);
        if (!info)
            throw BuildError("the domain has gone while it was being built");
        shared_info_ = Mfn(info->shared_info_frame);
    }
    return *shared_info_;
}

void LiveTarget::install_hypercall_page(Mfn frame)
{
    hypervisor_.install_hypercall_page(domain_, frame);
}

void LiveTarget::pin_root(Mfn frame)
{
    hypervisor_.pin_l4(domain_, frame);
}

void LiveTarget::set_boot_context(const abi::VcpuGuestContext& context)
{
    hypervisor_.set_vcpu_context(domain_, 0, context);
}

void LiveTarget::with_grant_table(const std::function<void(std::span<abi::GrantEntryV1>)>& use)
{
    const ForeignMapping mapping = map_resource(hypervisor_.privcmd(), domain_, Resource::grant_table, 0, 1);
    use({mapping.as<abi::GrantEntryV1>(), page_size / sizeof(abi::GrantEntryV1)});
}

}
