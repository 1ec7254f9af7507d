// How a hypercall reaches its handler, and how a handler says that it is not finished.
//
// A handler sees decoded arguments, never a register. It returns the guest's result (>= 0, or to_errno of an Error), or
// `preempted(...)` after it has put the arguments of the call that is to continue into `args`: the dispatcher then lets
// pending events be delivered and re-issues the call.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/domain/domain.hpp"

namespace xylem::hypercall {

/// RDI, RSI, RDX, R10, R8, R9 in that order. Beyond a call's declared arity they must stay as they are: libxc reads RDX
/// of a suspended guest.
struct Arguments {
    u64 a[6];
};

/// The result that means "re-issue with the arguments as they now are". No guest can be given it as a value.
inline constexpr i64 preempted = INT64_MIN;

using Handler = i64 (*)(Vcpu& self, Arguments& args);

/// Whether this processor has something better to do: an event for the running vCPU, the end of its slice, or work
/// asked for by another processor. Long operations ask every few microseconds' worth of steps.
bool should_preempt();

/// What a family answers to an operation that it does not know: NotImplemented, with a line in the log, at most one a
/// second.
Error unknown_operation(const Domain& caller, const char* family, u64 operation);

/// One line of the table (hypercall/table.cpp).
struct Entry {
    const char* name;
    Handler handler; ///< null: -ENOSYS
};

// The families, one file each. See xen/include/public for the numbers and docs/pv-abi.md for the errors.
i64 mmu_update(Vcpu& self, Arguments& args);
i64 update_va_mapping(Vcpu& self, Arguments& args);
i64 update_va_mapping_otherdomain(Vcpu& self, Arguments& args);
i64 mmuext_op(Vcpu& self, Arguments& args);
i64 set_gdt(Vcpu& self, Arguments& args);
i64 update_descriptor(Vcpu& self, Arguments& args);
i64 memory_op(Vcpu& self, Arguments& args);
i64 vm_assist(Vcpu& self, Arguments& args);

i64 event_channel_op(Vcpu& self, Arguments& args);
i64 event_channel_op_compat(Vcpu& self, Arguments& args);
i64 grant_table_op(Vcpu& self, Arguments& args);

i64 set_trap_table(Vcpu& self, Arguments& args);
i64 callback_op(Vcpu& self, Arguments& args);
i64 set_callbacks(Vcpu& self, Arguments& args);
i64 stack_switch(Vcpu& self, Arguments& args);
i64 fpu_taskswitch(Vcpu& self, Arguments& args);
i64 set_debugreg(Vcpu& self, Arguments& args);
i64 get_debugreg(Vcpu& self, Arguments& args);
i64 set_segment_base(Vcpu& self, Arguments& args);
i64 iret(Vcpu& self, Arguments& args);
i64 nmi_op(Vcpu& self, Arguments& args);

i64 sched_op(Vcpu& self, Arguments& args);
i64 sched_op_compat(Vcpu& self, Arguments& args);
i64 vcpu_op(Vcpu& self, Arguments& args);
i64 set_timer_op(Vcpu& self, Arguments& args);
i64 multicall(Vcpu& self, Arguments& args);
i64 xen_version(Vcpu& self, Arguments& args);
i64 console_io(Vcpu& self, Arguments& args);
i64 physdev_op(Vcpu& self, Arguments& args);
i64 physdev_op_compat(Vcpu& self, Arguments& args);
i64 platform_op(Vcpu& self, Arguments& args);
i64 domctl(Vcpu& self, Arguments& args);
i64 sysctl(Vcpu& self, Arguments& args);
i64 xenpmu_op(Vcpu& self, Arguments& args);
i64 hvm_op(Vcpu& self, Arguments& args);
i64 dm_op(Vcpu& self, Arguments& args);
i64 kexec_op(Vcpu& self, Arguments& args);
i64 hypfs_op(Vcpu& self, Arguments& args);
i64 mca_op(Vcpu& self, Arguments& args);
i64 xylem_op(Vcpu& self, Arguments& args);

}
