// RDMSR and WRMSR of a guest kernel: the number in ECX, the value in EDX:EAX.
#pragma once

#include "hypervisor/domain/domain.hpp"

namespace xylem::arch {

/// @return false: the guest gets #GP
bool read_guest_msr(Vcpu& vcpu, GuestRegs& regs);
bool write_guest_msr(Vcpu& vcpu, GuestRegs& regs);

}
