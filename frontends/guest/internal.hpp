// What the parts of the mini kernel do at start, in this order; and what they tell each other.
#pragma once

#include "hypervisor/abi/trap.hpp"

namespace xylem::guest {
void initialise_memory();
void initialise_traps();
void initialise_console();

/// Writes the entries of all 256 vectors.
void fill_trap_table(abi::TrapInfo* table);
}
