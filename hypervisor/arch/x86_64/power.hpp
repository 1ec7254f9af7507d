// The ways to end a machine.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// ACPI sleep: writes the values that dom0 took from its tables to PM1a and PM1b. Returns if nothing comes of it.
void acpi_enter_sleep(u16 pm1a_value, u16 pm1b_value);
/// Reset by FADT's register, the keyboard controller, the chipset; at last a triple fault.
[[noreturn]] void reset_machine();

}
