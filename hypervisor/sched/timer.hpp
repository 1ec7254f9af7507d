// Timers: each processor has an ordered list of them, and its hardware timer is armed for the first.
//
// A timer belongs to the processor that set it last and runs there, with no lock held, at the processor's next exit to
// a guest or turn of idle after its deadline. Setting and cancelling may be done from any processor.
#pragma once

#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/list.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::sched {

struct Timer {
    using Function = void (*)(void* context);

    Function function = nullptr;
    void* context = nullptr;
    Nanoseconds deadline{};
    CpuId cpu{};
    bool armed = false;   ///< under the lock of `cpu`'s list
    bool claimed = false; ///< by the processor that arms it, until it is taken off that one's list again; atomic
    ListLink link;
};

/// Arms `timer` on this processor for `deadline` (system time; the past means at once). Replaces what it was armed for.
void set_timer(Timer& timer, Nanoseconds deadline);
/// After this the function does not run and will not start any more, unless it is the function itself that calls. Takes
/// no lock that a timer's function may hold.
void cancel_timer(Timer& timer);
/// Runs what is due on this processor and arms the hardware for the next. Called by the exit path, interrupts off.
void run_timers();

}
