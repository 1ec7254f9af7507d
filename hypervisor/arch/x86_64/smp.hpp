// Starting the other processors.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// Makes a block for each processor that ACPI names, starts those that are usable, and waits until they run. One that
/// does not come up is named in the log and done without.
void start_other_processors();

/// Counts the calling processor as running.
void announce_processor();

}
