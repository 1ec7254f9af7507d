// domctl on a domain's vCPUs. (docs/pv-abi.md 5.4)

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/bitmap.hpp"
#include "hypervisor/hypercall/domctl.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/sched/sched.hpp"

namespace xylem::hypercall {
namespace {

/// A context is 5168 bytes: too large for the stack.
class ContextBuffer {
public:
    ContextBuffer() : context_(mm::make<abi::VcpuGuestContext>()) {}
    ~ContextBuffer() { mm::destroy(context_); }
    ContextBuffer(const ContextBuffer&) = delete;
    ContextBuffer& operator=(const ContextBuffer&) = delete;
    abi::VcpuGuestContext* get() { return context_; }

private:
    abi::VcpuGuestContext* context_;
};

constexpr u64 xsave_header_bytes = 16; // xcr0, xcr0_accum before the image in get/setvcpuextstate

}

namespace domctl_ops {

Result<void> setvcpucontext(DomctlCall& call)
{
    const abi::DomctlVcpucontext& op = call.op.u.vcpucontext;
    if (call.on_self() || !call.on_living())
        return Error::Invalid;
    Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::Invalid));
    if (op.ctxt.is_null())
        return Error::NotSupported; // reset of a vCPU: no tool that builds PV domains asks for it
    ContextBuffer buffer;
    if (!buffer.get())
        return Error::NoMemory;
    TRY(GuestIn<abi::VcpuGuestContext>(op.ctxt.address).copy_in_array(buffer.get(), 1));
    const Standstill standstill(call);
    TRY(set_vcpu_context(*vcpu, *buffer.get()));
    const bool down = !(buffer.get()->flags & abi::vgcf_online);
    if (vcpu->unit.down != down)
        sched::set_down(vcpu->unit, down);
    return {};
}

Result<void> getvcpucontext(DomctlCall& call)
{
    const abi::DomctlVcpucontext& op = call.op.u.vcpucontext;
    if (call.on_self())
        return Error::Invalid;
    Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::Invalid));
    ContextBuffer buffer;
    if (!buffer.get())
        return Error::NoMemory;
    {
        const Standstill standstill(call);
        TRY(get_vcpu_context(*vcpu, *buffer.get()));
    }
    TRY(GuestOut<abi::VcpuGuestContext>(op.ctxt.address).copy_out_array(buffer.get(), 1));
    call.copy_back = true;
    return {};
}

Result<void> getvcpuinfo(DomctlCall& call)
{
    abi::DomctlGetvcpuinfo& op = call.op.u.getvcpuinfo;
    if (op.vcpu >= call.target.vcpu_limit)
        return Error::Invalid;
    const Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    op.online = !vcpu->unit.down;
    op.blocked = vcpu->unit.blocked;
    op.running = vcpu->unit.state == sched::RunState::running;
    op.cpu_time = sched::account(vcpu->unit).time_in[static_cast<unsigned>(sched::RunState::running)];
    op.cpu = vcpu->unit.cpu.value;
    call.copy_back = true;
    return {};
}

Result<void> setvcpuaffinity(DomctlCall& call)
{
    const abi::DomctlVcpuaffinity& op = call.op.u.vcpuaffinity;
    if (op.vcpu >= call.target.vcpu_limit)
        return Error::Invalid;
    Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    if (!(op.flags & (abi::vcpuaffinity_hard | abi::vcpuaffinity_soft)))
        return Error::Invalid;
    if (op.flags & abi::vcpuaffinity_hard) {
        const u64 bits = TRY(copy_bitmap_in(op.cpumap_hard));
        TRY(sched::set_affinity(vcpu->unit, CpuMask{bits}));
        TRY(copy_bitmap_out(op.cpumap_hard, bits & ((u64{1} << machine::cpu_count()) - 1)));
    }
    if (op.flags & abi::vcpuaffinity_soft)
        vcpu->soft_affinity = CpuMask{TRY(copy_bitmap_in(op.cpumap_soft))};
    return {};
}

Result<void> getvcpuaffinity(DomctlCall& call)
{
    const abi::DomctlVcpuaffinity& op = call.op.u.vcpuaffinity;
    if (op.vcpu >= call.target.vcpu_limit)
        return Error::Invalid;
    const Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    if (op.flags & abi::vcpuaffinity_hard)
        TRY(copy_bitmap_out(op.cpumap_hard, vcpu->unit.hard_affinity.bits));
    if (op.flags & abi::vcpuaffinity_soft)
        TRY(copy_bitmap_out(op.cpumap_soft, vcpu->soft_affinity.bits));
    return {};
}

Result<void> sendtrigger(DomctlCall& call)
{
    const abi::DomctlSendtrigger& op = call.op.u.sendtrigger;
    Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    switch (op.trigger) {
    case abi::TriggerType::nmi:
        send_nmi(*vcpu);
        return {};
    case abi::TriggerType::power:
    case abi::TriggerType::sleep:
        return Error::Invalid;
    default:
        return Error::NotImplemented;
    }
}

Result<void> set_ext_vcpucontext(DomctlCall& call)
{
    const abi::DomctlExtVcpucontext& op = call.op.u.ext_vcpucontext;
    if (call.on_self())
        return Error::NoSuchDomain;
    Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    if (op.size < offsetof(abi::DomctlExtVcpucontext, vmce))
        return Error::Invalid;
    if (!abi::is_canonical(op.sysenter_callback_eip) || !abi::is_canonical(op.syscall32_callback_eip))
        return Error::Invalid;
    const Standstill standstill(call);
    vcpu->sysenter_callback = {op.sysenter_callback_eip, op.sysenter_disables_events};
    vcpu->syscall32_callback = {op.syscall32_callback_eip, op.syscall32_disables_events};
    return {};
}

Result<void> get_ext_vcpucontext(DomctlCall& call)
{
    abi::DomctlExtVcpucontext& op = call.op.u.ext_vcpucontext;
    const Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    const u32 number = op.vcpu;
    op = {};
    op.vcpu = number;
    op.size = sizeof op;
    op.sysenter_callback_eip = vcpu->sysenter_callback.address;
    op.sysenter_disables_events = vcpu->sysenter_callback.masks_events;
    op.syscall32_callback_eip = vcpu->syscall32_callback.address;
    op.syscall32_disables_events = vcpu->syscall32_callback.masks_events;
    call.copy_back = true;
    return {};
}

Result<void> getvcpuextstate(DomctlCall& call)
{
    abi::DomctlVcpuextstate& op = call.op.u.vcpuextstate;
    Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    if (vcpu == &call.self)
        return Error::Invalid; // it cannot stand still
    const u32 image = machine::extended_state_size();
    const u64 whole = image ? xsave_header_bytes + image : 0;
    if (op.size == 0) {
        op.xfeature_mask = machine::extended_state_mask();
        op.size = whole;
        call.copy_back = true;
        return {};
    }
    if (op.size < whole)
        return Error::Invalid;
    const Standstill standstill(call);
    const u64 header[2] = {vcpu->xcr0, vcpu->xcr0};
    TRY(GuestOut<u64>(op.buffer.address).copy_out_array(header, 2));
    TRY(GuestOut<u8>(op.buffer.address + xsave_header_bytes).copy_out_array(static_cast<const u8*>(vcpu->fpu), image));
    op.size = whole;
    call.copy_back = true;
    return {};
}

Result<void> setvcpuextstate(DomctlCall& call)
{
    const abi::DomctlVcpuextstate& op = call.op.u.vcpuextstate;
    Vcpu* vcpu = TRY(call.vcpu(op.vcpu, Error::NoSuchDomain));
    if (vcpu == &call.self)
        return Error::Invalid; // it cannot stand still
    const u32 image = machine::extended_state_size();
    if (!image || op.size != xsave_header_bytes + image)
        return Error::Invalid;
    u64 header[2];
    TRY(GuestIn<u64>(op.buffer.address).copy_in_array(header, 2));
    u8* copy = static_cast<u8*>(mm::allocate_bytes(page_size));
    if (!copy)
        return Error::NoMemory;
    Result<void> result = GuestIn<u8>(op.buffer.address + xsave_header_bytes).copy_in_array(copy, image);
    if (result.ok()) {
        const Standstill standstill(call);
        result = machine::set_extended_state(*vcpu, header[0], copy);
    }
    mm::free_bytes(copy);
    return result;
}

/// No MSR of a PV guest here outlives what its kernel sets again on resume.
Result<void> get_vcpu_msrs(DomctlCall& call)
{
    TRY(call.vcpu(call.op.u.vcpu_msrs.vcpu, Error::Invalid));
    call.op.u.vcpu_msrs.msr_count = 0;
    call.copy_back = true;
    return {};
}

Result<void> set_vcpu_msrs(DomctlCall& call)
{
    TRY(call.vcpu(call.op.u.vcpu_msrs.vcpu, Error::Invalid));
    if (call.op.u.vcpu_msrs.msr_count == 0)
        return {};
    call.op.u.vcpu_msrs.msr_count = 0;
    call.copy_back = true;
    return Error::Invalid;
}

}
}
