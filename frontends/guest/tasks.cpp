// See tasks.hpp.

#include "frontends/guest/tasks.hpp"

#include "frontends/guest/events.hpp"
#include "frontends/guest/memory.hpp"
#include "frontends/guest/time.hpp"

/// Saves the registers that a function must keep on the stack, notes where in `*from`, and goes on at `to`.
extern "C" void guest_switch_stacks(xylem::u64** from, xylem::u64* to);
extern "C" char guest_task_start[];

namespace xylem::guest {
namespace {

constexpr u64 stack_pages = 16;

struct Task {
    Task* next;      // the ring of all tasks
    u64* stack;      // where it stopped
    bool waits;      // until something happens
    u64 deadline;    // 0: none
    char* own_stack; // lowest address; null: the first task, whose stack is the kernel's
};

Task first_task{&first_task, nullptr, false, 0, nullptr};
Task* current = &first_task;
Task* ended; // its stack is freed by the next task that runs

void wake_all()
{
    Task* task = current;
    do
        task->waits = false;
    while ((task = task->next) != current);
}

u64 nearest_deadline()
{
    u64 nearest = 0;
    const Task* task = current;
    do
        if (task->deadline != 0 && (nearest == 0 || task->deadline < nearest))
            nearest = task->deadline;
    while ((task = task->next) != current);
    return nearest;
}

void free_ended()
{
    if (!ended)
        return;
    free_pages(ended->own_stack, stack_pages);
    delete ended;
    ended = nullptr;
}

void switch_to(Task* task)
{
    if (task == current)
        return;
    Task* from = current;
    current = task;
    guest_switch_stacks(&from->stack, task->stack);
    free_ended();
}

/// The next task that does not wait. With none, the processor sleeps: events are handled on the stack of the last.
Task* next_runnable()
{
    for (;;) {
        for (Task* task = current->next;; task = task->next) {
            if (!task->waits)
                return task;
            if (task == current)
                break;
        }
        if (!dispatch_events()) {
            const u64 deadline = nearest_deadline();
            if (deadline == 0 || !past(deadline))
                block_until_event(deadline);
            dispatch_events();
        }
        wake_all();
    }
}

void end_task()
{
    Task* self = current;
    wake_all();
    Task* before = self;
    while (before->next != self)
        before = before->next;
    before->next = self->next;
    ended = self;
    Task* next = self->next;
    while (next->waits)
        next = next->next;
    current = next;
    guest_switch_stacks(&self->stack, next->stack);
}

}

/// The first C++ of a task; never returns.
extern "C" void guest_run_task(void (*function)(void*), void* argument)
{
    free_ended();
    function(argument);
    end_task();
}

bool start_task(void (*function)(void*), void* argument)
{
    auto* stack = static_cast<char*>(allocate_pages(stack_pages));
    if (!stack)
        return false;
    // As guest_switch_stacks() leaves a stack: r15, r14, r13, r12, rbx, rbp, and where to go on.
    u64* top = reinterpret_cast<u64*>(stack + (stack_pages << page_shift)) - 8;
    top[2] = reinterpret_cast<u64>(argument); // r13
    top[3] = reinterpret_cast<u64>(function); // r12
    top[6] = reinterpret_cast<u64>(guest_task_start);
    current->next = new Task{current->next, top, false, 0, stack};
    return true;
}

void something_happened()
{
    wake_all();
}

void wait_for_something(u64 deadline)
{
    current->waits = true;
    current->deadline = deadline;
    switch_to(next_runnable());
    current->deadline = 0;
}

void yield()
{
    if (dispatch_events())
        wake_all();
    Task* next = current->next;
    while (next->waits)
        next = next->next;
    switch_to(next);
}

bool past(u64 deadline)
{
    return system_time() >= deadline;
}

void sleep(u64 nanoseconds)
{
    wait_until([] { return false; }, system_time() + nanoseconds);
}

}
