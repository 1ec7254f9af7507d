// What of xl(1) has a name here and no more; and how domains are scheduled.
#pragma once

#include <CLI/CLI.hpp>

namespace xylem::xl::commands {

void add_unserved(CLI::App& xl);
void add_scheduling(CLI::App& xl); ///< sched-credit, sched-credit2, sched-rtds, cpupool-list

}
