// The flush clock's upkeep; the rest of the interface is core/machine.hpp.
#pragma once

namespace xylem::arch {

/// Lets the clock run again after it has wrapped. With no lock held, now and then (the timer interrupt does).
void restart_flush_clock_if_wrapped();

}
