// A unit of the scheduler between two processors.

#include "hypervisor/sched/sched.hpp"
#include "tests/interleavings/explorer.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>

namespace xylem::test {
namespace {

using sched::Unit;

/// One processor takes a unit that waits for it, or runs it and lets go of it again, while another changes what the
/// unit may do.
class UnitScenario : public Scenario {
public:
    using Act = void (*)(Unit&);

    explicit UnitScenario(Act act) : act_(act)
    {
        for (u32 cpu = 0; cpu < processors; ++cpu)
            sched::initialise_cpu(CpuId(cpu), idle_[cpu]);
        sched::place(unit_);
        sched::set_down(unit_, false);
    }
    ~UnitScenario() override
    {
        sched::set_down(unit_, true);
        if (unit_.on_cpu)
            sched::descheduled(unit_);
        for (u32 cpu = 0; cpu < processors; ++cpu) {
            FakeMachine::get().run_as(CpuId(cpu));
            (void)sched::pick();
        }
        FakeMachine::get().run_as(CpuId(0));
        FakeMachine::get().forget_events();
    }
    void run(unsigned processor) override
    {
        if (processor == 1)
            return act_(unit_);
        Unit* running = &sched::pick();
        for (int i = 0; i < 2 && running == &unit_; ++i) {
            sched::descheduled(unit_);
            running = &sched::pick();
        }
    }
    std::string verdict() override
    {
        if (unit_.queued && unit_.on_cpu)
            return "it waits for a processor and is on one";
        return unit_.runnable() && !unit_.queued && !unit_.on_cpu ? "it can run, and is forgotten" : "";
    }

private:
    const Act act_;
    Unit idle_[processors], unit_;
};

TEST(SchedInterleavings, AUnitIsInOnePlace)
{
    Session session;
    session.machine.set_cpu_count(Scenario::processors);
    const UnitScenario::Act acts[] = {
        [](Unit& unit) { sched::set_down(unit, false); }, // it is up already
        [](Unit& unit) {
            sched::set_down(unit, true);
            sched::set_down(unit, false);
        },
        [](Unit& unit) {
            sched::pause(unit);
            sched::resume(unit);
        },
        [](Unit& unit) { (void)sched::set_affinity(unit, CpuMask::of(CpuId(1))).ok(); },
        [](Unit&) {
            if (Unit& taken = sched::pick(); !taken.is_idle)
                sched::descheduled(taken);
        },
    };
    for (std::size_t i = 0; i < std::size(acts); ++i)
        EXPECT_EQ(explore(allowed_changes(2), [&] { return std::make_unique<UnitScenario>(acts[i]); }).failure, "")
            << "act " << i;
}

}
}
