// Time as a guest sees it: pvclock, the wall clock, its timers, and how long its vCPUs have run or waited.
#pragma once

#include "hypervisor/domain/domain.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"

namespace xylem {

/// Writes the running vCPU's time into its vcpu_info and its registered copy, if what stands there has grown old.
void update_guest_time(Vcpu& vcpu);
/// The same, whatever stands there. Also for vCPUs that do not run.
void force_guest_time(Vcpu& vcpu);
/// Sets the machine's wall clock. The domains' copies are as they were.
void set_wall_clock(machine::WallClock at_system_time_zero);
/// Writes the wall clock into the domain's shared page.
void update_wall_clock(Domain& domain);

/// Writes the running vCPU's runstate to the area that it registered. Its kernel root is loaded.
void write_runstate_area(Vcpu& vcpu);
/// The same for a vCPU that is about to leave the processor: the state that it goes into.
void write_runstate_area_leaving(Vcpu& vcpu);

void initialise_timers(Vcpu& vcpu);
void cancel_timers(Vcpu& vcpu);
/// VIRQ_TIMER at `deadline` (system time); in the past means at once. 0 disarms.
void set_singleshot(Vcpu& vcpu, Nanoseconds deadline);
/// VIRQ_TIMER every `period` nanoseconds while it runs; 0 stops it.
void set_periodic(Vcpu& vcpu, Nanoseconds period);
/// As the vCPU comes onto a processor, and leaves it. As in Xen, one that waits gets no ticks: it has no time to share
/// out, and a machine whose guests all wait is left in peace.
void start_periodic(Vcpu& vcpu);
void stop_periodic(Vcpu& vcpu);
/// Wakes the vCPU at `deadline` without an event (SCHEDOP_poll). 0 disarms.
void set_poll_timeout(Vcpu& vcpu, Nanoseconds deadline);

}
