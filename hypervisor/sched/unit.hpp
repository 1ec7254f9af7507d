// What the scheduler knows of a vCPU: its state, its place in a run queue, how long it has been in each state.
//
// A Unit is embedded in a Vcpu (domain/vcpu.hpp). The scheduler decides which unit a processor runs; how to switch to
// it is the architecture's business. Any processor may wake, pause or kick any unit.
#pragma once

#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/list.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::sched {

/// As the public runstate names them. (xen/include/public/vcpu.h)
enum class RunState : u8 { running = 0, runnable = 1, blocked = 2, offline = 3 };

struct Unit {
    CpuId cpu{}; ///< where it runs or ran last
    bool is_idle = false;
    bool on_cpu = false; ///< its registers are live in a processor; cleared when another has been switched to
    bool queued = false;
    u32 pause_count = 0;  ///< not runnable while above zero
    bool blocked = false; ///< waits for an event
    bool down = true;     ///< VCPUOP_down, or never brought up
    RunState state = RunState::offline;
    Nanoseconds state_since{};
    u64 time_in[4] = {};     ///< ns in each RunState before state_since
    bool yielding = false;   ///< gave way: anyone waiting goes first
    Nanoseconds run_since{}; ///< when it was last put on a processor
    Nanoseconds slice_end{};
    CpuMask hard_affinity{~u64{0}};
    u16 weight = 256, cap = 0;
    ListLink queue_link;
    SpinLock lock{LockRank::sched_unit};

    bool runnable() const { return load_acquire(&pause_count) == 0 && !load_acquire(&blocked) && !load_acquire(&down); }
};

/// Ends a wait for an event: called after the event's bits have been set. Idempotent; from any processor.
void wake(Unit& unit);
/// Makes a unit that runs on another processor pass its exit path, where it sees new events. Nothing if it does not
/// run.
void kick(Unit& unit);

}
