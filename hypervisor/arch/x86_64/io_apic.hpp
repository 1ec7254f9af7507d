// The I/O APICs: a redirection entry a GSI.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// Bits of a redirection entry's low word.
namespace redirection {
inline constexpr u32 delivery_mode = 7 << 8, active_low = 1 << 13, level = 1 << 15, masked = 1 << 16;
}

/// Maps the controllers that ACPI names and masks all pins.
void initialise_io_apics();
unsigned io_apic_pins(); ///< one past the highest GSI

/// For an existing GSI. Under the interrupt lock.
void write_redirection(u32 gsi, u32 low, u32 destination);
void mask_redirection(u32 gsi, bool masked);

/// By address, as dom0 asks. @return false if there is no such controller
bool io_apic_read(u64 base, u32 index, u32& value);
/// The GSI of a redirection register. @return false if it is none
bool io_apic_gsi(u64 base, u32 index, u32& gsi);

}
