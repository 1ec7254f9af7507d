// Timers: in order, once, on the processor that set them; and set and cancelled from all sides at once.

#include "hypervisor/sched/timer.hpp"

#include "tests/support/fake_machine.hpp"

#include <atomic>
#include <barrier>
#include <gtest/gtest.h>
#include <thread>
#include <vector>

namespace xylem::sched {
namespace {

using test::Session;

struct Noted {
    Timer timer;
    std::vector<int>* order = nullptr;
    int name = 0;

    void arm(i64 deadline, std::vector<int>& into, int its_name)
    {
        order = &into;
        name = its_name;
        timer.context = this;
        timer.function = [](void* context) {
            Noted& self = *static_cast<Noted*>(context);
            self.order->push_back(self.name);
        };
        set_timer(timer, Nanoseconds(deadline));
    }
};

struct Timers : testing::Test {
    Session session;
    std::vector<int> order;
    i64 now() { return session.machine.now().value; }
};

TEST_F(Timers, RunInTheOrderOfTheirDeadlinesAndOnlyWhenDue)
{
    Noted a, b, c;
    a.arm(now() + 300, order, 1);
    b.arm(now() + 100, order, 2);
    c.arm(now() + 200, order, 3);
    EXPECT_EQ(session.machine.armed_deadline().value, now() + 100) << "the hardware waits for the first";
    run_timers();
    EXPECT_TRUE(order.empty());
    session.machine.advance(200);
    run_timers();
    EXPECT_EQ(order, (std::vector{2, 3}));
    EXPECT_EQ(session.machine.armed_deadline().value, now() + 100);
    session.machine.advance(100);
    run_timers();
    run_timers();
    EXPECT_EQ(order, (std::vector{2, 3, 1})) << "each once";
    EXPECT_EQ(session.machine.armed_deadline().value, 0) << "nothing is left to wait for";
}

TEST_F(Timers, SettingAgainReplacesAndCancellingTakesBack)
{
    Noted a, b;
    a.arm(now() + 100, order, 1);
    a.arm(now() + 500, order, 1);
    b.arm(now() + 200, order, 2);
    cancel_timer(b.timer);
    cancel_timer(b.timer);
    session.machine.advance(400);
    run_timers();
    EXPECT_TRUE(order.empty());
    session.machine.advance(100);
    run_timers();
    EXPECT_EQ(order, (std::vector{1}));
}

TEST_F(Timers, BelongToTheProcessorThatSetThemLast)
{
    Noted a;
    a.arm(now() + 100, order, 1);
    session.machine.run_as(CpuId(1));
    a.arm(now() + 100, order, 1);
    session.machine.advance(100);
    session.machine.run_as(CpuId(0));
    run_timers();
    EXPECT_TRUE(order.empty());
    session.machine.run_as(CpuId(1));
    run_timers();
    EXPECT_EQ(order, (std::vector{1}));
    session.machine.run_as(CpuId(0));
}

TEST_F(Timers, AFunctionMaySetItsOwnTimerAgain)
{
    struct Periodic {
        Timer timer;
        int left = 3;
    } periodic;
    periodic.timer.context = &periodic;
    periodic.timer.function = [](void* context) {
        Periodic& self = *static_cast<Periodic*>(context);
        if (--self.left)
            set_timer(self.timer, self.timer.deadline + 10);
    };
    set_timer(periodic.timer, Nanoseconds(now() + 10));
    for (int i = 0; i < 10; ++i) {
        session.machine.advance(10);
        run_timers();
    }
    EXPECT_EQ(periodic.left, 0);
    EXPECT_FALSE(periodic.timer.armed);
}

// Two vCPUs may set the periodic timer of a third at the same time: it must never be in two lists, nor twice in one.
TEST_F(Timers, MayBeSetFromSeveralProcessorsAtOnce)
{
    Timer timer;
    timer.function = [](void*) {};
    constexpr int rounds = 100'000;
    std::barrier start(3);
    std::vector<std::thread> threads;
    for (u32 cpu = 0; cpu < 3; ++cpu)
        threads.emplace_back([&, cpu] {
            session.machine.run_as(CpuId(cpu));
            start.arrive_and_wait();
            for (int i = 0; i < rounds; ++i) {
                set_timer(timer, Nanoseconds(1 + i % 7));
                run_timers();
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    for (u32 cpu = 0; cpu < 3; ++cpu) {
        session.machine.run_as(CpuId(cpu));
        run_timers();
        EXPECT_EQ(session.machine.armed_deadline().value, 0) << "no list holds it any more";
    }
    session.machine.run_as(CpuId(0));
    EXPECT_FALSE(timer.armed);
}

// After cancel_timer() the function has ended: its context may go.
TEST_F(Timers, CancellingWaitsForAFunctionThatRunsElsewhere)
{
    std::atomic<bool> started{false}, may_end{false}, ended{false};
    struct Context {
        std::atomic<bool>&started, &may_end, &ended;
    } context{started, may_end, ended};
    Timer timer;
    timer.context = &context;
    timer.function = [](void* raw) {
        const Context& c = *static_cast<Context*>(raw);
        c.started = true;
        while (!c.may_end)
            std::this_thread::yield();
        c.ended = true;
    };
    std::thread other([&] {
        session.machine.run_as(CpuId(1));
        set_timer(timer, Nanoseconds(1));
        run_timers();
    });
    while (!started)
        std::this_thread::yield();
    std::thread release([&] { may_end = true; });
    cancel_timer(timer);
    EXPECT_TRUE(ended);
    other.join();
    release.join();
}

}
}
