// The last way to end a machine; vcpu_machine.hpp has those that domains ask for.
#pragma once

namespace xylem::arch {

/// Reset by the chipset, FADT's register, the keyboard controller; at last a triple fault.
[[noreturn]] void reset_machine();

}
