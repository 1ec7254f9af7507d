// The last step of boot: idle vCPUs, the policies of the processors, dom0.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// Makes what processor `cpu` runs when it has nothing to do, and declares it to the scheduler. Before it runs.
void create_idle_vcpu(CpuId cpu);

/// Takes down what CPUID says, for guests' views of it.
void make_policies();

/// Builds dom0 from the boot modules and lets it run. A machine or module that does not allow it: a sentence, and the
/// end.
void start_control_domain();

}
