// hvm_op and dm_op: for HVM guests and their device models. There are none here, and what is said to a PV guest that
// asks, or asks about a PV guest, is what Xen says. (xen/include/public/hvm/hvm_op.h, dm_op.h; docs/hypercalls.md)

#include "hypervisor/abi/hvm.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {
namespace {

/// The target exists, but is no HVM guest.
Result<void> parameter(Domain& caller, u64 argument)
{
    const abi::HvmParam param = TRY(GuestIn<abi::HvmParam>(argument).copy_in());
    if (param.index < abi::hvm_nr_params)
        TRY(find_domain_or_self(caller, DomId(param.domid)));
    return Error::Invalid;
}

Result<void> memory_type(Domain& caller, u64 argument)
{
    const abi::HvmGetMemType asked = TRY(GuestIn<abi::HvmGetMemType>(argument).copy_in());
    const DomainRef target = TRY(find_domain_or_self(caller, DomId(asked.domid)));
    return target.get() == &caller || caller.privileged() ? Error::Invalid : Error::NotPermitted;
}

Result<void> pagetable_dying(Domain& caller, u64 argument)
{
    const abi::HvmPagetableDying told = TRY(GuestIn<abi::HvmPagetableDying>(argument).copy_in());
    const DomainRef target = TRY(find_domain_or_self(caller, DomId(told.domid)));
    return target.get() == &caller ? Error::Invalid : Error::NotSupported;
}

/// There is no trace buffer: what is well formed is taken, and dropped.
Result<void> trace(u64 argument)
{
    const abi::HvmXentrace record = TRY(GuestIn<abi::HvmXentrace>(argument).copy_in());
    if (record.extra_bytes > sizeof record.extra || (record.event & ~abi::hvm_xentrace_events))
        return Error::Invalid;
    return {};
}

Result<void> perform(Domain& caller, u64 operation, u64 argument)
{
    switch (static_cast<abi::HvmCmd>(operation)) {
    case abi::HvmCmd::set_param:
    case abi::HvmCmd::get_param:
        return parameter(caller, argument);
    case abi::HvmCmd::get_mem_type:
        return memory_type(caller, argument);
    case abi::HvmCmd::pagetable_dying:
        return pagetable_dying(caller, argument);
    case abi::HvmCmd::get_time:
        return GuestOut<abi::HvmGetTime>(argument).copy_out({static_cast<u64>(machine::now().value)});
    case abi::HvmCmd::xentrace:
        return trace(argument);
    case abi::HvmCmd::guest_request_vm_event: // nobody monitors
        return argument == 0 ? Result<void>() : Error::Invalid;
    case abi::HvmCmd::altp2m:
        return Error::NotSupported;
    case abi::HvmCmd::flush_tlbs:
    case abi::HvmCmd::set_evtchn_upcall_vector:
        return Error::Invalid;
    default:
        return unknown_operation(caller, "hvm_op", operation);
    }
}

/// @param domid  by its number: domid_self is nobody
Result<void> device_model(Domain& caller, DomId domid, u32 count, u64 buffers)
{
    if (count == 0)
        return Error::NoData;
    if (count > abi::dm_op_most_bufs)
        return Error::TooBig;
    abi::DmOpBuf copied[abi::dm_op_most_bufs];
    TRY(GuestIn<abi::DmOpBuf>(buffers).copy_in_array(copied, count));
    const DomainRef target = TRY(find_domain(domid));
    return target.get() == &caller ? Error::NotPermitted : Error::Invalid;
}

}

i64 hvm_op(Vcpu& self, Arguments& args)
{
    return to_wire(perform(*self.domain, args.a[0], args.a[1]));
}

i64 dm_op(Vcpu& self, Arguments& args)
{
    return to_wire(device_model(*self.domain, DomId(static_cast<abi::RawDomId>(args.a[0])), static_cast<u32>(args.a[1]),
                                args.a[2]));
}

}
