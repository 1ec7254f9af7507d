// Which vCPU a processor runs: round robin over a queue a processor, with idle processors taking from busy ones.
//
// Life of a unit: offline or blocked -> (wake) queued on a processor -> (pick) on_cpu -> (descheduled) queued, blocked
// or offline. `on_cpu` is cleared only after its registers have been saved, so that no other processor can load half of
// them.
//
// Locks: a unit's own state (blocked, pause_count, down) changes under its unit lock; queues under their queue lock.
// Order: unit lock, then queue lock.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/sched/unit.hpp"

namespace xylem::sched {

/// Declares `idle` as what `cpu` runs when there is nothing else.
void initialise_cpu(CpuId cpu, Unit& idle);
/// Chooses a first processor for a new unit (down, not queued).
void place(Unit& unit);

/// Whether the running unit may go on without asking pick(): it can run, its slice is not over or nobody waits here.
bool may_continue(Unit& running);
/// The running unit's registers have been saved: lets others run it, and queues it if it can still run.
void descheduled(Unit& previous);
/// Takes the next unit for this processor (its idle unit if there is none) and marks it on_cpu and running.
Unit& pick();

/// Makes a unit wait for an event (wake() ends it). The caller then checks for events that came before.
void block(Unit& unit);
/// Takes a unit out of running until as many resumes have come. `pause` may return while it still runs elsewhere, about
/// to stop; `pause_and_wait` returns when its registers have been saved. Never on the caller's own unit for the latter.
void pause(Unit& unit);
void pause_and_wait(Unit& unit);
void resume(Unit& unit);
/// VCPUOP_down and VCPUOP_up.
void set_down(Unit& unit, bool down);
/// The running unit gives way to others that wait here.
void yield(Unit& unit);
/// Where a unit may run. @return Invalid if that leaves no processor.
Result<void> set_affinity(Unit& unit, CpuMask allowed);

/// A snapshot of a unit's time in each state, up to now.
struct Account {
    RunState state;
    Nanoseconds since;
    u64 time_in[4];
};
Account account(const Unit& unit);
/// Nanoseconds that `cpu` has been idle.
u64 idle_time(CpuId cpu);

}
