// Round robin, on every processor.
//
// A woken unit goes to the front: who sleeps for events is owed a quick answer, and the running unit is pushed aside
// once it has had a millisecond. The rest take turns of ten.

#include "hypervisor/sched/sched.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/sched/timer.hpp"

namespace xylem::sched {
namespace {

constexpr i64 slice_ns = 10'000'000;
constexpr i64 least_run_ns = 1'000'000; // what a running unit has had before a woken one may push it aside

struct Queue {
    SpinLock lock{LockRank::sched};
    List<Unit, &Unit::queue_link> waiting;
    u32 length = 0;
    Unit* idle = nullptr;
    Unit* running = nullptr;
};

Queue queues[max_cpus];

void set_state(Unit& unit, RunState state)
{
    if (unit.state == state)
        return;
    const Nanoseconds now = machine::now();
    unit.time_in[static_cast<unsigned>(unit.state)] += static_cast<u64>(now - unit.state_since);
    unit.state = state;
    unit.state_since = now;
}

RunState waiting_state(const Unit& unit)
{
    if (unit.runnable())
        return RunState::runnable;
    return unit.blocked && !unit.pause_count && !unit.down ? RunState::blocked : RunState::offline;
}

bool is_idle(CpuId cpu)
{
    return load_acquire(&queues[cpu.value].running) == queues[cpu.value].idle &&
           !load_acquire(&queues[cpu.value].length);
}

/// Where a unit that can run now goes: where it was if that processor is idle, else to any idle one, else where it was.
CpuId choose_cpu(const Unit& unit)
{
    const unsigned count = machine::cpu_count();
    const bool here_allowed = unit.hard_affinity.contains(unit.cpu) && unit.cpu.value < count;
    if (here_allowed && is_idle(unit.cpu))
        return unit.cpu;
    CpuId best = unit.cpu;
    u32 best_length = here_allowed ? load_acquire(&queues[unit.cpu.value].length) : ~0u;
    for (CpuId cpu{0}; cpu.value < count; ++cpu) {
        if (!unit.hard_affinity.contains(cpu))
            continue;
        if (is_idle(cpu))
            return cpu;
        if (const u32 length = load_acquire(&queues[cpu.value].length); length < best_length) {
            best = cpu;
            best_length = length;
        }
    }
    return best;
}

/// With the unit's lock held; the unit can run and is neither queued nor on a processor.
void enqueue(Unit& unit, bool at_front)
{
    set_state(unit, RunState::runnable);
    store_release(&unit.cpu.value, choose_cpu(unit).value);
    Queue& queue = queues[unit.cpu.value];
    LockGuard guard(queue.lock);
    store_release(&unit.queued, true);
    store_release(&queue.length, queue.length + 1);
    if (at_front)
        queue.waiting.push_front(unit);
    else
        queue.waiting.push_back(unit);
    Unit* running = queue.running;
    if (!running || running->is_idle || !at_front || machine::now() - running->run_since >= least_run_ns)
        return machine::request_schedule(unit.cpu);
    // Let it have its millisecond, and no more.
    const Nanoseconds soon = running->run_since + least_run_ns;
    if (soon < running->slice_end) {
        running->slice_end = soon;
        machine::request_schedule(unit.cpu);
    }
}

/// Takes a unit off the queue it waits in, if it waits. With the unit's lock held.
void dequeue(Unit& unit)
{
    Queue& queue = queues[load_acquire(&unit.cpu.value)];
    LockGuard guard(queue.lock);
    if (!load_acquire(&unit.queued))
        return;
    unit.queue_link.unlink();
    store_release(&unit.queued, false);
    store_release(&queue.length, queue.length - 1);
}

/// With the unit's lock held, after its state changed: queues it, or takes it off, or makes its processor look.
void reconsider(Unit& unit, bool at_front)
{
    if (unit.runnable()) {
        if (!load_acquire(&unit.queued) && !load_acquire(&unit.on_cpu))
            enqueue(unit, at_front);
        return;
    }
    dequeue(unit);
    if (load_acquire(&unit.on_cpu))
        machine::request_schedule(unit.cpu);
    else
        set_state(unit, waiting_state(unit));
}

/// The first unit of `queue` that may run on `cpu`. With the queue's lock held.
Unit* take(Queue& queue, CpuId cpu)
{
    for (Unit* unit = queue.waiting.front(); unit; unit = queue.waiting.next(*unit)) {
        if (!unit->hard_affinity.contains(cpu))
            continue;
        unit->queue_link.unlink();
        // Who holds the unit's lock alone looks at these in the reverse order: one that is neither queued nor on a
        // processor would be queued a second time, and one that is queued elsewhere unlinked under the wrong lock.
        store_release(&unit->on_cpu, true);
        store_release(&unit->queued, false);
        store_release(&unit->cpu.value, cpu.value);
        store_release(&queue.length, queue.length - 1);
        return unit;
    }
    return nullptr;
}

/// A unit from a busier processor, for one that would be idle.
Unit* steal(CpuId thief)
{
    for (CpuId cpu{0}; cpu.value < machine::cpu_count(); ++cpu) {
        Queue& queue = queues[cpu.value];
        if (cpu == thief || load_acquire(&queue.length) == 0 || !queue.lock.try_lock())
            continue;
        Unit* unit = take(queue, thief);
        queue.lock.unlock();
        if (unit)
            return unit;
    }
    return nullptr;
}

void slice_over(void*)
{
    machine::request_schedule(machine::this_cpu());
}

Timer slice_timers[max_cpus];

void start_slice(Queue& queue, CpuId cpu, Unit& unit)
{
    unit.run_since = machine::now();
    unit.slice_end = unit.run_since + slice_ns;
    store_release(&queue.running, &unit);
    Timer& timer = slice_timers[cpu.value];
    timer.function = slice_over;
    if (unit.is_idle)
        cancel_timer(timer);
    else if (load_acquire(&queue.length) != 0)
        set_timer(timer, unit.slice_end);
}

}

void initialise_cpu(CpuId cpu, Unit& idle)
{
    idle.is_idle = true;
    idle.down = false;
    idle.on_cpu = true;
    idle.cpu = cpu;
    idle.state = RunState::running;
    idle.state_since = machine::now();
    idle.hard_affinity = CpuMask::of(cpu);
    queues[cpu.value].idle = queues[cpu.value].running = &idle;
}

void place(Unit& unit)
{
    unit.state_since = machine::now();
    unit.cpu = choose_cpu(unit);
}

bool may_continue(Unit& running)
{
    Queue& queue = queues[machine::this_cpu().value];
    if (running.is_idle || !running.runnable())
        return false;
    if (!running.hard_affinity.contains(machine::this_cpu()))
        return false;
    if (load_acquire(&queue.length) == 0)
        return true;
    if (running.yielding || machine::now() >= running.slice_end)
        return false;
    set_timer(slice_timers[machine::this_cpu().value], running.slice_end);
    return true;
}

void descheduled(Unit& previous)
{
    if (previous.is_idle)
        return set_state(previous, RunState::runnable);
    LockGuard guard(previous.lock);
    previous.yielding = false;
    set_state(previous, waiting_state(previous));
    atomic_store(&previous.on_cpu, false);
    if (previous.runnable())
        enqueue(previous, false);
}

Unit& pick()
{
    const CpuId cpu = machine::this_cpu();
    Queue& queue = queues[cpu.value];
    Unit* unit;
    {
        LockGuard guard(queue.lock);
        unit = take(queue, cpu);
    }
    if (!unit)
        unit = steal(cpu);
    if (!unit)
        unit = queue.idle;
    set_state(*unit, RunState::running);
    start_slice(queue, cpu, *unit);
    return *unit;
}

void wake(Unit& unit)
{
    if (!atomic_load(&unit.blocked))
        return;
    LockGuard guard(unit.lock);
    if (!unit.blocked)
        return;
    atomic_store(&unit.blocked, false);
    reconsider(unit, true);
}

void kick(Unit& unit)
{
    if (!atomic_load(&unit.on_cpu))
        return;
    const CpuId cpu(load_acquire(&unit.cpu.value)); // after the look at on_cpu: who is being taken looks for events yet
    if (cpu != machine::this_cpu())
        machine::kick(cpu);
}

void block(Unit& unit)
{
    LockGuard guard(unit.lock);
    atomic_store(&unit.blocked, true);
    reconsider(unit, false);
}

void pause(Unit& unit)
{
    LockGuard guard(unit.lock);
    store_release(&unit.pause_count, unit.pause_count + 1);
    reconsider(unit, false);
}

void pause_and_wait(Unit& unit)
{
    pause(unit);
    while (atomic_load(&unit.on_cpu))
        machine::relax();
}

void resume(Unit& unit)
{
    LockGuard guard(unit.lock);
    XYLEM_ASSERT(unit.pause_count != 0, "more resumes than pauses");
    store_release(&unit.pause_count, unit.pause_count - 1);
    reconsider(unit, false);
}

void set_down(Unit& unit, bool down)
{
    LockGuard guard(unit.lock);
    store_release(&unit.down, down);
    reconsider(unit, false);
}

void yield(Unit& unit)
{
    unit.yielding = true;
    machine::request_schedule(machine::this_cpu());
}

Result<void> set_affinity(Unit& unit, CpuMask allowed)
{
    const u64 online = machine::cpu_count() >= 64 ? ~u64{0} : (u64{1} << machine::cpu_count()) - 1;
    if (!(allowed.bits & online))
        return Error::Invalid;
    LockGuard guard(unit.lock);
    unit.hard_affinity = allowed;
    if (load_acquire(&unit.queued) && !allowed.contains(unit.cpu)) {
        dequeue(unit);
        if (!load_acquire(&unit.on_cpu) && unit.runnable())
            enqueue(unit, false);
    }
    if (load_acquire(&unit.on_cpu) && !allowed.contains(unit.cpu))
        machine::request_schedule(unit.cpu);
    return {};
}

Account account(const Unit& unit)
{
    Account result{unit.state, unit.state_since, {}};
    for (unsigned i = 0; i < 4; ++i)
        result.time_in[i] = unit.time_in[i];
    result.time_in[static_cast<unsigned>(unit.state)] += static_cast<u64>(machine::now() - unit.state_since);
    return result;
}

u64 idle_time(CpuId cpu)
{
    const Unit* idle = queues[cpu.value].idle;
    return idle ? account(*idle).time_in[static_cast<unsigned>(RunState::running)] : 0;
}

}
