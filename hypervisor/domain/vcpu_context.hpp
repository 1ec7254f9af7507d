// A vCPU's whole state, as VCPUOP_initialise and the toolstack hand it over and read it back.
#pragma once

#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/domain/domain.hpp"

namespace xylem {

/// Gives a stopped vCPU the state in `context`. The first time it takes the page-table roots and the GDT; on a vCPU
/// that has run those may only be repeated.
/// @return Invalid  what the state names is not valid, in the order of docs/pv-abi.md 1.12
///         NotSupported  roots, GDT or LDT of an initialised vCPU would change
///         Preempted  call again with the same context
Result<void> set_vcpu_context(Vcpu& vcpu, const abi::VcpuGuestContext& context);
/// @return NoData  it was never initialised
Result<void> get_vcpu_context(Vcpu& vcpu, abi::VcpuGuestContext& context);

/// Selectors that a guest names are made ring 3.
constexpr u16 ring3(u64 selector)
{
    return static_cast<u16>((selector & 3) == 3 ? selector : selector | 3);
}

/// Sets kernel_ss, kernel_sp and where a bounce starts.
void set_kernel_stack(Vcpu& vcpu, u64 ss, u64 sp);

/// A debug register's value as the guest may set it. @return NotPermitted, Invalid, NoDevice (docs/pv-abi.md 1.10)
Result<void> set_debug_register(Vcpu& vcpu, unsigned number, u64 value);
/// @return NoDevice  there is none of this number
Result<u64> get_debug_register(const Vcpu& vcpu, unsigned number);
/// DR7 for the processor: without breakpoints on I/O ports, which it would report for our own accesses too.
u64 processor_dr7(const Vcpu& vcpu);
/// Those breakpoints, which whoever does I/O in the guest's place looks after. @return their bits in DR6
u64 port_breakpoints_hit(const Vcpu& vcpu, u16 port, unsigned bytes);

}
