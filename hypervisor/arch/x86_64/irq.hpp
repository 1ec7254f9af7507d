// Interrupts: which vector means what, and the way from a pin or message to whoever handles it.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

// Our own vectors lie above all that devices get; the higher the more urgent.
inline constexpr u8 first_device_vector = 0x30, last_device_vector = 0xdf; // 0x80 is left out: a guest may raise it
inline constexpr u8 vector_timer = 0xf9, vector_flush = 0xfa, vector_kick = 0xfb, vector_call = 0xfc,
                    vector_apic_error = 0xfe, vector_spurious = 0xff;

/// Serves the interrupt that interrupted a guest or idle.
void handle_interrupt(u8 vector);

/// GSIs that the I/O APICs have pins for.
unsigned gsi_count();

/// Sets up the controllers and claims what is the hypervisor's own (the console's line).
void initialise_interrupts();

}
