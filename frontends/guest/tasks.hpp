// Cooperative tasks on the first vCPU. A task runs until it waits, sleeps or ends; in between nothing else runs,
// neither other tasks nor event handlers. xylem_main() is the first task; when it returns the guest powers off,
// whatever the others do.
//
// Who waits says for what, as a condition. It is looked at again whenever an event has been handled or another task has
// got on: spurious looks cost little, and no wake-up can be forgotten.
#pragma once

#include "frontends/guest/guest.hpp"

namespace xylem::guest {

/// Starts `function(argument)` as a task; it first runs when the others wait. False: no memory.
bool start_task(void (*function)(void* argument), void* argument = nullptr);

/// Lets the others run, and comes back.
void yield();
/// Sleeps for at least so many nanoseconds.
void sleep(u64 nanoseconds);

/// One turn of waiting: comes back when something has happened, or at `deadline` (system time; 0: none).
void wait_for_something(u64 deadline = 0);
/// What this task has done may be what others wait for.
void something_happened();
bool past(u64 deadline);

/// Waits until `condition()` is true.
template <typename Condition> void wait_until(Condition condition)
{
    if (condition())
        return;
    something_happened();
    do
        wait_for_something();
    while (!condition());
}

/// The same up to `deadline` (system time). @return whether the condition came true
template <typename Condition> bool wait_until(Condition condition, u64 deadline)
{
    if (condition())
        return true;
    something_happened();
    while (!past(deadline)) {
        wait_for_something(deadline);
        if (condition())
            return true;
    }
    return false;
}

}
