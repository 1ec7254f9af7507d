// Small calls on the running vCPU's own state: kernel stack, segment bases, TS, debug registers, iret.
// (xen/include/public/xen.h; docs/pv-abi.md 1.6, 1.9, 1.10, 2.3)

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {

i64 stack_switch(Vcpu& self, Arguments& args)
{
    set_kernel_stack(self, args.a[0], args.a[1]);
    return 0;
}

i64 fpu_taskswitch(Vcpu& self, Arguments& args)
{
    machine::set_task_switched(self, args.a[0] != 0);
    return 0;
}

i64 set_segment_base(Vcpu& self, Arguments& args)
{
    const auto which = static_cast<abi::SegmentBase>(args.a[0]);
    if (args.a[0] > static_cast<u32>(abi::SegmentBase::gs_user_sel))
        return to_errno(Error::Invalid);
    if (which == abi::SegmentBase::gs_user_sel)
        machine::load_user_gs(self, static_cast<u16>(args.a[1]));
    else if (abi::is_canonical(args.a[1]))
        machine::set_segment_base(self, which, args.a[1]);
    else
        return to_errno(Error::Invalid);
    return 0;
}

i64 set_debugreg(Vcpu& self, Arguments& args)
{
    const Result<void> result =
        set_debug_register(self, args.a[0] > 7 ? 8 : static_cast<unsigned>(args.a[0]), args.a[1]);
    if (result.ok())
        machine::load_debug_registers(self);
    return to_wire(result);
}

i64 get_debugreg(Vcpu& self, Arguments& args)
{
    const Result<u64> value = get_debug_register(self, args.a[0] > 7 ? 8 : static_cast<unsigned>(args.a[0]));
    return value.ok() ? static_cast<i64>(value.value()) : to_errno(value.error());
}

i64 iret(Vcpu& self, Arguments&)
{
    machine::iret(self);
    return static_cast<i64>(machine::guest_regs(self).rax);
}

}
