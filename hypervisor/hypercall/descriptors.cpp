// set_gdt, update_descriptor: a guest's segment descriptors. (xen/include/public/xen.h; docs/pv-abi.md 1.3, 1.4)

#include "hypervisor/mm/descriptors.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/descriptor.hpp"
#include "hypervisor/mm/references.hpp"

namespace xylem::hypercall {
namespace {

Result<void> replace_gdt(Vcpu& self, GuestIn<u64> list, u32 entries)
{
    if (entries > abi::first_reserved_gdt_entry)
        return Error::Invalid;
    u64 frames[abi::first_reserved_gdt_page];
    TRY(list.copy_in_array(frames, pages_for(u64{entries} * sizeof(u64))));
    TRY(mm::set_gdt(self, frames, entries));
    machine::flush_tlb(CpuMask::of(machine::this_cpu()));
    return {};
}

/// Stores a descriptor in a page that is a descriptor page already, or in a plain one that may become one later.
Result<void> store_descriptor(Domain& domain, MachineAddress address, u64 descriptor)
{
    if (address.value % sizeof(u64) != 0 || !mm::check_descriptor(descriptor))
        return Error::Invalid;
    mm::PageRef page = TRY(mm::get_page(mfn_of(address), domain.id));
    const mm::PageType type = mm::page_type(page.mfn()) == mm::PageType::segment_descriptors
                                  ? mm::PageType::segment_descriptors
                                  : mm::PageType::writable;
    if (!mm::get_type(page.mfn(), type).ok())
        return Error::Invalid;
    const mm::TypeRef held(page.release());
    atomic_store(machine::map<u64>(address), descriptor);
    return {};
}

}

i64 set_gdt(Vcpu& self, Arguments& args)
{
    const Result<void> result = replace_gdt(self, GuestIn<u64>(args.a[0]), static_cast<u32>(args.a[1]));
    return result == Error::Preempted ? preempted : to_wire(result);
}

i64 update_descriptor(Vcpu& self, Arguments& args)
{
    return to_wire(store_descriptor(*self.domain, MachineAddress(args.a[0]), args.a[1]));
}

}
