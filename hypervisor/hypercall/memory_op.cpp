// memory_op: what a domain holds of the machine's memory, and maps of it. This file reads the command; the families of
// sub-ops are in memory_*.cpp. (xen/include/public/memory.h; docs/pv-abi.md 4.1)

#include "hypervisor/hypercall/memory_op.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/mm/heap.hpp"

namespace xylem::hypercall {
namespace {

using abi::MemoryCmd;

Result<i64> claim_pages(const MemoryRequest& request)
{
    const auto claim = TRY(request.argument<abi::MemoryReservation>().copy_in());
    if (!claim.extent_start.is_null() || claim.extent_order != 0 || claim.mem_flags != 0)
        return Error::Invalid;
    const Result<DomainRef> found = find_domain(DomId(claim.domid)); // by its number, the caller too
    if (!found.ok())
        return Error::Invalid;
    if (!request.caller().privileged())
        return Error::NotPermitted;
    TRY(mm::claim_pages(found.value()->memory, claim.nr_extents));
    return 0;
}

/// The three questions about one domain's number of pages.
Result<i64> count_of_domain(const MemoryRequest& request, MemoryCmd command)
{
    const auto which = TRY(request.argument<abi::MemoryDomain>().copy_in());
    const DomainRef domain = TRY(request.named_domain(which.domid));
    switch (command) {
    case MemoryCmd::current_reservation:
        return static_cast<i64>(domain->memory.total_pages);
    case MemoryCmd::maximum_reservation:
        return static_cast<i64>(domain->memory.max_pages);
    default: {
        const u64 frames = atomic_load(&domain->shared_info->arch.max_pfn); // as the guest says
        return frames == 0 ? 0 : static_cast<i64>(frames - 1);
    }
    }
}

/// Calls that only exist for guests whose frame numbers the hypervisor translates.
Result<i64> change_physmap(const MemoryRequest& request, MemoryCmd command)
{
    if (command == MemoryCmd::add_to_physmap) {
        const auto map = TRY(request.argument<abi::AddToPhysmap>().copy_in());
        if (map.space == abi::MapSpace::gmfn_foreign)
            return Error::NotImplemented;
    } else if (command == MemoryCmd::remove_from_physmap) {
        TRY(request.argument<abi::RemoveFromPhysmap>().copy_in());
    }
    return Error::Access;
}

Result<i64> reserved_device_memory(const MemoryRequest& request)
{
    const auto argument = request.argument<abi::ReservedDeviceMemoryMap>();
    auto map = TRY(argument.copy_in());
    map.nr_entries = 0; // there is no IOMMU whose tables would name any
    TRY(argument.copy_out(map));
    return 0;
}

Result<i64> operate(const MemoryRequest& request, MemoryCmd command)
{
    switch (command) {
    case MemoryCmd::maximum_ram_page:
        return static_cast<i64>(machine::max_mfn.value);
    case MemoryCmd::current_reservation:
    case MemoryCmd::maximum_reservation:
    case MemoryCmd::maximum_gpfn:
        return count_of_domain(request, command);
    case MemoryCmd::exchange:
        return exchange(request);
    case MemoryCmd::memory_map:
        return get_memory_map(request);
    case MemoryCmd::set_memory_map:
        return set_memory_map(request);
    case MemoryCmd::machine_memory_map:
        return machine_memory_map(request);
    case MemoryCmd::machphys_mapping:
        return machphys_mapping(request);
    case MemoryCmd::machphys_mfn_list:
        return machphys_mfn_list(request);
    case MemoryCmd::machphys_compat_mfn_list:
    case MemoryCmd::get_vnumainfo:
        return Error::NotSupported;
    case MemoryCmd::add_to_physmap:
    case MemoryCmd::add_to_physmap_batch:
    case MemoryCmd::remove_from_physmap:
        return change_physmap(request, command);
    case MemoryCmd::set_pod_target:
    case MemoryCmd::get_pod_target:
        return Error::Invalid;
    case MemoryCmd::get_sharing_freed_pages:
    case MemoryCmd::get_sharing_shared_pages:
        return 0;
    case MemoryCmd::claim_pages:
        return claim_pages(request);
    case MemoryCmd::reserved_device_memory_map:
        return reserved_device_memory(request);
    default:
        return unknown_operation(request.caller(), "memory_op", static_cast<u64>(command));
    }
}

}

Result<DomainRef> MemoryRequest::named_domain(abi::RawDomId id) const
{
    DomainRef domain = TRY(find_domain_or_self(caller(), DomId(id)));
    if (domain.get() != &caller() && !caller().privileged())
        return Error::NotPermitted;
    return domain;
}

i64 memory_op(Vcpu& self, Arguments& args)
{
    const MemoryRequest request{.self = self, .args = args};
    const MemoryCmd command = request.command();
    switch (command) {
    case MemoryCmd::increase_reservation:
    case MemoryCmd::decrease_reservation:
    case MemoryCmd::populate_physmap:
        return change_reservation(request);
    case MemoryCmd::acquire_resource:
        return acquire_resource(request);
    default:
        break;
    }
    if (request.start() != 0)
        return to_errno(Error::Invalid);
    const Result<i64> result = operate(request, command);
    if (result.ok())
        return result.value();
    return result.error() == Error::Preempted ? preempted : to_errno(result.error());
}

}
