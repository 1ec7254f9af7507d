// What of xl(1) has a name here and no more; and how domains are scheduled.
#pragma once

#include "dom0/lib/program.hpp"

namespace xylem::xl::commands {

void add_unserved(dom0::Command xl);
void add_scheduling(dom0::Command xl); ///< sched-credit, sched-credit2, sched-rtds, cpupool-list

}
