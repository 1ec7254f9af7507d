// RDMSR and WRMSR of a guest kernel: the number in ECX, the value in EDX:EAX.
#pragma once

#include "hypervisor/domain/domain.hpp"

namespace xylem::arch {

/// @return false: the guest gets #GP
bool read_guest_msr(Vcpu& vcpu, GuestRegs& regs);
bool write_guest_msr(Vcpu& vcpu, GuestRegs& regs);

/// What RDTSCP and RDPID give a vCPU must be in the processor while it runs there.
void load_tsc_aux(const Vcpu& vcpu);

/// Reads an MSR of the machine that may not be there. @return whether it is
bool read_machine_msr(u32 index, u64& value);

}
