// Ordered timer lists, one a processor. They are short (a few timers a vCPU), so insertion walks.

#include "hypervisor/sched/timer.hpp"

#include "hypervisor/core/machine.hpp"

namespace xylem::sched {
namespace {

struct TimerList {
    SpinLock lock{LockRank::timer};
    List<Timer, &Timer::link> timers;
    Timer* running = nullptr; ///< whose function runs now, on this list's processor
};

TimerList lists[max_cpus];

/// With the list's lock held, on its own processor.
void arm_for_first(TimerList& list)
{
    if (Timer* first = list.timers.front())
        machine::arm_timer(first->deadline);
    else
        machine::disarm_timer();
}

/// Takes the timer off whichever list it is on, and waits for the end of its function if that runs on another
/// processor. Its processor may change until we hold the right lock.
void remove(Timer& timer)
{
    for (;; machine::relax()) {
        const CpuId cpu = timer.cpu;
        TimerList& list = lists[cpu.value];
        LockGuard guard(list.lock);
        if (cpu != timer.cpu || (list.running == &timer && cpu != machine::this_cpu()))
            continue;
        if (timer.armed) {
            timer.link.unlink();
            timer.armed = false;
        }
        return;
    }
}

}

void set_timer(Timer& timer, Nanoseconds deadline)
{
    remove(timer);
    TimerList& list = lists[machine::this_cpu().value];
    LockGuard guard(list.lock);
    timer.cpu = machine::this_cpu();
    timer.deadline = deadline;
    timer.armed = true;
    Timer* position = list.timers.front();
    while (position && position->deadline <= deadline)
        position = list.timers.next(*position);
    list.timers.insert_before(position, timer);
    if (list.timers.front() == &timer)
        arm_for_first(list);
}

void cancel_timer(Timer& timer)
{
    remove(timer);
}

void run_timers()
{
    TimerList& list = lists[machine::this_cpu().value];
    for (;;) {
        Timer* due;
        {
            LockGuard guard(list.lock);
            due = list.timers.front();
            if (!due || due->deadline > machine::now())
                return arm_for_first(list);
            due->link.unlink();
            due->armed = false;
            list.running = due;
        }
        due->function(due->context);
        LockGuard guard(list.lock);
        list.running = nullptr;
    }
}

}
