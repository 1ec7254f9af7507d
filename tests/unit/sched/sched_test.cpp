// The scheduler: who runs next, who waits, and that nobody is in two places.

#include "hypervisor/sched/sched.hpp"

#include "hypervisor/sched/timer.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>
#include <thread>

namespace xylem::sched {
namespace {

using test::Event;
using test::Session;

struct Sched : testing::Test {
    Session session;

    Sched()
    {
        static Unit idle[2];
        static bool done = false;
        if (!done)
            for (u32 cpu = 0; cpu < 2; ++cpu)
                initialise_cpu(CpuId(cpu), idle[cpu]);
        done = true;
        drain(CpuId(1));
        drain(CpuId(0));
    }
    ~Sched() override
    {
        drain(CpuId(1));
        drain(CpuId(0));
    }
    /// The processor runs what is left until it is idle.
    void drain(CpuId cpu)
    {
        session.machine.run_as(cpu);
        while (!pick().is_idle) {
        }
    }
    static void bring_up(Unit& unit)
    {
        place(unit);
        set_down(unit, false);
    }
    /// `unit` leaves the processor and what is next comes.
    static Unit& next(Unit& unit)
    {
        descheduled(unit);
        return pick();
    }
    static void retire(Unit& unit)
    {
        set_down(unit, true);
        if (unit.on_cpu)
            descheduled(unit);
    }
};

TEST_F(Sched, UnitsTakeTurns)
{
    Unit a, b;
    bring_up(a);
    bring_up(b);
    Unit* running = &pick();
    EXPECT_EQ(running, &a);
    EXPECT_TRUE(may_continue(a)) << "its slice has just begun";
    session.machine.advance(10'000'000);
    EXPECT_FALSE(may_continue(a));
    running = &next(a);
    EXPECT_EQ(running, &b);
    session.machine.advance(10'000'000);
    EXPECT_EQ(&next(b), &a);
    retire(b);
    session.machine.advance(50'000'000);
    EXPECT_TRUE(may_continue(a)) << "nobody waits";
    retire(a);
    EXPECT_TRUE(pick().is_idle);
}

TEST_F(Sched, WhoYieldsGivesWayAtOnce)
{
    Unit a, b;
    bring_up(a);
    EXPECT_EQ(&pick(), &a);
    yield(a);
    EXPECT_TRUE(may_continue(a)) << "to nobody";
    bring_up(b);
    yield(a);
    EXPECT_FALSE(may_continue(a));
    EXPECT_EQ(&next(a), &b);
    retire(a);
    retire(b);
}

TEST_F(Sched, AWokenUnitRunsNextOnceTheRunningOneHadItsMillisecond)
{
    Unit a, b, sleeper;
    bring_up(a);
    bring_up(sleeper);
    EXPECT_EQ(&pick(), &a);
    EXPECT_EQ(&next(a), &sleeper);
    block(sleeper);
    EXPECT_FALSE(may_continue(sleeper));
    EXPECT_EQ(&next(sleeper), &a);
    EXPECT_EQ(sleeper.state, RunState::blocked);
    bring_up(b);
    session.machine.advance(300'000);
    wake(sleeper);
    wake(sleeper);
    EXPECT_TRUE(may_continue(a)) << "it has had less than a millisecond";
    session.machine.advance(700'000);
    EXPECT_FALSE(may_continue(a));
    EXPECT_EQ(&next(a), &sleeper) << "before those that take turns";
    for (Unit* unit : {&a, &b, &sleeper})
        retire(*unit);
}

TEST_F(Sched, PausesAreCountedAndAPausedUnitDoesNotRun)
{
    Unit a;
    bring_up(a);
    pause(a);
    pause(a);
    EXPECT_FALSE(a.queued);
    EXPECT_TRUE(pick().is_idle);
    resume(a);
    EXPECT_TRUE(pick().is_idle);
    wake(a);
    EXPECT_TRUE(pick().is_idle);
    resume(a);
    EXPECT_EQ(&pick(), &a);
    session.machine.forget_events();
    pause(a);
    EXPECT_EQ(session.machine.count(Event::Kind::descheduled), 1u) << "its processor is told";
    EXPECT_FALSE(may_continue(a));
    resume(a);
    retire(a);
}

TEST_F(Sched, AnIdleProcessorTakesFromABusyOne)
{
    session.machine.set_cpu_count(2);
    Unit a, b, pinned;
    pinned.hard_affinity = CpuMask::of(CpuId(0));
    a.hard_affinity = b.hard_affinity = CpuMask::of(CpuId(0));
    for (Unit* unit : {&a, &pinned, &b})
        bring_up(*unit);
    EXPECT_EQ(&pick(), &a);
    b.hard_affinity = CpuMask{3};
    session.machine.run_as(CpuId(1));
    EXPECT_EQ(&pick(), &b) << "the pinned one is passed over";
    EXPECT_EQ(b.cpu, CpuId(1));
    session.machine.run_as(CpuId(0));
    EXPECT_EQ(&next(a), &pinned);
    for (Unit* unit : {&pinned, &a})
        retire(*unit);
    session.machine.run_as(CpuId(1));
    retire(b);
    EXPECT_TRUE(pick().is_idle);
    session.machine.run_as(CpuId(0));
}

TEST_F(Sched, AffinityMovesAUnitThatWaits)
{
    session.machine.set_cpu_count(2);
    Unit a, b;
    a.hard_affinity = b.hard_affinity = CpuMask::of(CpuId(0));
    bring_up(a);
    bring_up(b);
    EXPECT_EQ(&pick(), &a);
    EXPECT_EQ(set_affinity(b, CpuMask{}), Error::Invalid);
    EXPECT_EQ(set_affinity(b, CpuMask::of(CpuId(7))), Error::Invalid) << "it does not run";
    ASSERT_TRUE(set_affinity(b, CpuMask::of(CpuId(1))).ok());
    EXPECT_EQ(b.cpu, CpuId(1));
    EXPECT_TRUE(b.queued);
    ASSERT_TRUE(set_affinity(a, CpuMask::of(CpuId(1))).ok());
    EXPECT_FALSE(may_continue(a));
    EXPECT_TRUE(next(a).is_idle);
    for (Unit* unit : {&a, &b})
        retire(*unit);
}

TEST_F(Sched, TimeIsCountedByState)
{
    Unit a;
    bring_up(a);
    session.machine.advance(100);
    EXPECT_EQ(&pick(), &a);
    session.machine.advance(1000);
    block(a);
    Unit& idle = next(a);
    EXPECT_TRUE(idle.is_idle);
    session.machine.advance(50);
    wake(a);
    session.machine.advance(7);
    Account account = sched::account(a);
    EXPECT_EQ(account.state, RunState::runnable);
    EXPECT_EQ(account.time_in[0], 1000u);
    EXPECT_EQ(account.time_in[1], 107u);
    EXPECT_EQ(account.time_in[2], 50u);
    EXPECT_EQ(&next(idle), &a);
    const u64 before = idle_time(CpuId(0));
    session.machine.advance(5000);
    EXPECT_EQ(idle_time(CpuId(0)), before) << "the processor is busy";
    retire(a);
}

TEST_F(Sched, WhoeverWaitsForAUnitToStopSeesItsRegistersSaved)
{
    session.machine.set_cpu_count(2);
    Unit a;
    bring_up(a);
    EXPECT_EQ(&pick(), &a);
    std::thread waiter([&] {
        session.machine.run_as(CpuId(1));
        pause_and_wait(a);
        EXPECT_FALSE(a.on_cpu);
    });
    while (atomic_load(&a.pause_count) == 0)
        std::this_thread::yield();
    EXPECT_FALSE(may_continue(a));
    descheduled(a);
    waiter.join();
    resume(a);
    EXPECT_TRUE(a.queued);
    retire(a);
}

}
}
