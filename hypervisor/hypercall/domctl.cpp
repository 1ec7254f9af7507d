// domctl: the way to each operation. (xen/include/public/domctl.h; docs/pv-abi.md 5.1)
//
// The order of the checks is ABI: the struct, its version, the domain, the caller's privilege, the operation.

#include "hypervisor/hypercall/domctl.hpp"

#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/hypercall/control_turn.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {
namespace {

Result<void> not_for_pv(DomctlCall&)
{
    return Error::Invalid;
}
Result<void> not_supported(DomctlCall&)
{
    return Error::NotSupported;
}
Result<void> no_such_device(DomctlCall&)
{
    return Error::NoDevice;
}

DomctlFunction function_of(abi::DomctlCmd cmd)
{
    using enum abi::DomctlCmd;
    namespace ops = domctl_ops;
    switch (cmd) {
    case destroydomain:
        return ops::destroydomain;
    case pausedomain:
        return ops::pausedomain;
    case unpausedomain:
        return ops::unpausedomain;
    case resumedomain:
        return ops::resumedomain;
    case max_vcpus:
        return ops::max_vcpus;
    case max_mem:
        return ops::max_mem;
    case setdomainhandle:
        return ops::setdomainhandle;
    case setdebugging:
        return ops::setdebugging;
    case settimeoffset:
        return ops::settimeoffset;
    case subscribe:
        return ops::subscribe;
    case set_virq_handler:
        return ops::set_virq_handler;
    case set_address_size:
        return ops::set_address_size;
    case get_address_size:
        return ops::get_address_size;
    case hypercall_init:
        return ops::hypercall_init;
    case settscinfo:
        return ops::settscinfo;
    case gettscinfo:
        return ops::gettscinfo;
    case setnodeaffinity:
        return ops::setnodeaffinity;
    case getnodeaffinity:
        return ops::getnodeaffinity;
    case scheduler_op:
        return ops::scheduler_op;
    case irq_permission:
        return ops::irq_permission;
    case iomem_permission:
        return ops::iomem_permission;
    case ioport_permission:
        return ops::ioport_permission;
    case getpageframeinfo3:
        return ops::getpageframeinfo3;
    case shadow_op:
        return ops::shadow_op;
    case setvcpucontext:
        return ops::setvcpucontext;
    case getvcpucontext:
        return ops::getvcpucontext;
    case getvcpuinfo:
        return ops::getvcpuinfo;
    case setvcpuaffinity:
        return ops::setvcpuaffinity;
    case getvcpuaffinity:
        return ops::getvcpuaffinity;
    case sendtrigger:
        return ops::sendtrigger;
    case set_ext_vcpucontext:
        return ops::set_ext_vcpucontext;
    case get_ext_vcpucontext:
        return ops::get_ext_vcpucontext;
    case setvcpuextstate:
        return ops::setvcpuextstate;
    case getvcpuextstate:
        return ops::getvcpuextstate;
    case get_vcpu_msrs:
        return ops::get_vcpu_msrs;
    case set_vcpu_msrs:
        return ops::set_vcpu_msrs;
    case get_cpu_policy:
        return ops::get_cpu_policy;
    case set_cpu_policy:
        return ops::set_cpu_policy;
    case gethvmcontext:
    case sethvmcontext:
    case gethvmcontext_partial:
    case soft_reset:
        return not_for_pv;
    case assign_device:
    case test_assign_device:
    case deassign_device:
    case get_device_group:
        return no_such_device;
    case vm_event_op:
    case mem_sharing_op:
    case psr_cmt_op:
    case psr_alloc:
    case monitor_op:
    case vmtrace_op:
    case get_paging_mempool_size:
    case set_paging_mempool_size:
        return not_supported;
    default:
        return nullptr;
    }
}

/// createdomain and getdomaininfo alone do not begin with a domain that exists.
Result<void> create(Vcpu& self, abi::Domctl& op)
{
    if (!self.domain->privileged())
        return Error::NotPermitted;
    const abi::DomctlCreatedomain& wanted = op.u.createdomain;
    const u32 grant_version = wanted.grant_opts & abi::domctl_grant_version_mask;
    if ((wanted.flags & ~u32{abi::cdf_xs_domain}) || wanted.grant_opts & ~abi::domctl_grant_version_mask)
        return Error::Invalid;
    if (grant_version == 0 || grant_version > 2 || wanted.max_vcpus == 0 || wanted.vmtrace_size || wanted.iommu_opts)
        return Error::Invalid;
    if (wanted.max_vcpus > max_vcpus)
        return Error::Invalid;
    if (wanted.arch.misc_flags & ~abi::x86_msr_relaxed || wanted.arch.emulation_flags & ~abi::x86_emu_all)
        return Error::Invalid;
    if (wanted.arch.emulation_flags & ~abi::x86_emu_pit)
        return Error::NotSupported;
    if (wanted.cpupool_id != 0)
        return Error::NoSuchDomain;
    constexpr int most_grant_frames = 64, most_maptrack_frames = 1024;
    if (wanted.max_grant_frames == 0 || wanted.max_grant_frames > most_grant_frames ||
        wanted.max_maptrack_frames > most_maptrack_frames)
        return Error::Invalid;

    DomId id(op.domain);
    if (id.value == 0 || id.value >= first_reserved_domid)
        id = TRY(choose_domid());
    DomainLimits limits;
    limits.vcpus = wanted.max_vcpus;
    limits.event_ports = wanted.max_evtchn_port;
    limits.grant_frames = wanted.max_grant_frames < 0 ? most_grant_frames : static_cast<u32>(wanted.max_grant_frames);
    limits.maptrack_frames =
        wanted.max_maptrack_frames < 0 ? most_maptrack_frames : static_cast<u32>(wanted.max_maptrack_frames);
    limits.grant_version = grant_version;
    Domain* domain = TRY(create_domain(id, Privilege::none, limits));
    __builtin_memcpy(domain->handle, wanted.handle.bytes, sizeof domain->handle);
    domain->msr_relaxed = wanted.arch.misc_flags & abi::x86_msr_relaxed;
    op.domain = id.value;
    return {};
}

Result<void> info(Vcpu& self, abi::Domctl& op)
{
    if (op.domain >= first_reserved_domid)
        return Error::Invalid;
    const DomainRef target = TRY(find_domain_from(DomId(op.domain)));
    if (!self.domain->privileged())
        return Error::NotPermitted;
    op.u.getdomaininfo = domain_info(*target);
    op.domain = target->id.value;
    return {};
}

Result<void> operate(Vcpu& self, GuestInOut<abi::Domctl> argument)
{
    abi::Domctl op = TRY(argument.copy_in());
    if (op.interface_version != abi::domctl_interface_version)
        return Error::Access;
    if (op.cmd == abi::DomctlCmd::createdomain) {
        TRY(create(self, op));
        return argument.copy_out(op);
    }
    if (op.cmd == abi::DomctlCmd::getdomaininfo) {
        TRY(info(self, op));
        return argument.copy_out(op);
    }
    const DomainRef target = TRY(find_domain(DomId(op.domain)));
    if (!self.domain->privileged())
        return Error::NotPermitted;
    const DomctlFunction function = function_of(op.cmd);
    if (!function)
        return unknown_operation(*self.domain, "domctl", static_cast<u32>(op.cmd));
    DomctlCall call{self, *target, op};
    const Result<void> result = function(call);
    if (call.copy_back)
        TRY(argument.copy_out(op));
    return result;
}

}

i64 domctl(Vcpu& self, Arguments& args)
{
    const GuestInOut<abi::Domctl> argument(args.a[0]);
    if (!self.domain->privileged())
        return to_wire(operate(self, argument)); // is told why not, and holds up nobody
    const ControlTurn turn;
    if (!turn.ours())
        return preempted;
    const Result<void> result = operate(self, argument);
    return result == Error::Preempted ? preempted : to_wire(result);
}

}
