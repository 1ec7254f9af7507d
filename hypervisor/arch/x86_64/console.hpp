// The console: a ring of everything logged, and the serial port and VGA text behind it.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// Opens what console= names, or the default if the command line has not been read, and shows what the ring holds so
/// far. Once.
void open_console();
/// Input: the serial port's interrupt handler. @return whether bytes came in
bool receive_console_input();
void enable_console_input();
u8 console_irq();
/// The screen is dom0's from here on. @return the first line that is free
u8 release_screen();
/// From here on no lock is waited for: the machine is about to end. Takes the screen back.
void console_in_panic();

}
