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

/// Off the list. With the list's lock held. From here on another processor may arm it.
void disarm(Timer& timer)
{
    timer.link.unlink();
    atomic_store(&timer.armed, false);
    atomic_store(&timer.claimed, false);
}

/// Takes the timer off whichever list it is on, and waits for the end of its function if that runs on another
/// processor. Its processor may change until we hold the right lock.
void remove(Timer& timer)
{
    for (;; machine::relax()) {
        const CpuId cpu(load_acquire(&timer.cpu.value));
        TimerList& list = lists[cpu.value];
        LockGuard guard(list.lock);
        const bool armed = atomic_load(&timer.armed); // before the look at the processor: it is set after that
        if (cpu.value != load_acquire(&timer.cpu.value) || (list.running == &timer && cpu != machine::this_cpu()))
            continue;
        if (armed)
            disarm(timer);
        return;
    }
}

}

void set_timer(Timer& timer, Nanoseconds deadline)
{
    // Another processor may set the same timer: one of us puts it into his list, and the other takes it off there.
    for (remove(timer); atomic_exchange(&timer.claimed, true); remove(timer))
        machine::relax();
    TimerList& list = lists[machine::this_cpu().value];
    LockGuard guard(list.lock);
    store_release(&timer.cpu.value, machine::this_cpu().value);
    timer.deadline = deadline;
    atomic_store(&timer.armed, true);
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
            list.running = due;
            disarm(*due);
        }
        due->function(due->context);
        LockGuard guard(list.lock);
        list.running = nullptr;
    }
}

}
