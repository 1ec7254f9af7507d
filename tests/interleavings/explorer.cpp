// See explorer.hpp.
#include "tests/interleavings/explorer.hpp"

#include "tests/support/fake_machine.hpp"

#include <cstdio>
#include <cstdlib>
#include <ucontext.h>
#include <vector>

namespace xylem::test {

namespace {

constexpr unsigned processors = Scenario::processors;
constexpr std::size_t stack_bytes = 256 << 10;
/// More turns than this in one run mean that both wait for each other.
constexpr u64 hopeless = 1'000'000;

struct Schedule {
    unsigned first = 0;
    std::vector<u64> changes; ///< the steps in front of which the other goes on
    std::string text() const
    {
        std::string all = "processor " + std::to_string(first) + " first, changes at steps";
        for (const u64 step : changes)
            all += " " + std::to_string(step);
        return all;
    }
};

/// The run under way.
struct Run {
    const Schedule* schedule = nullptr;
    Scenario* scenario = nullptr;
    ucontext_t home, fibers[processors];
    bool ended[processors] = {};
    unsigned current = 0;
    std::size_t next_change = 0;
    u64 steps = 0, turns = 0;
};
Run* running = nullptr;
char* stacks[processors];

void resume(unsigned processor)
{
    running->current = processor;
    FakeMachine::get().run_as(CpuId(processor));
}

/// The other goes on, if it has anything left to do.
void give_way()
{
    const unsigned self = running->current, other = 1 - self;
    if (++running->turns > hopeless) {
        std::fprintf(stderr, "the processors wait for each other: %s\n", running->schedule->text().c_str());
        std::abort();
    }
    if (running->ended[other])
        return;
    resume(other);
    swapcontext(&running->fibers[self], &running->fibers[other]);
}

void body()
{
    const unsigned self = running->current;
    running->scenario->run(self);
    running->ended[self] = true;
    setcontext(&running->home);
}

void prepare(ucontext_t& fiber, char*& stack)
{
    if (!stack)
        stack = new char[stack_bytes];
    getcontext(&fiber);
    fiber.uc_stack.ss_sp = stack;
    fiber.uc_stack.ss_size = stack_bytes;
    fiber.uc_link = nullptr;
    makecontext(&fiber, body, 0);
}

/// @return how many steps the run had
u64 perform(const Schedule& schedule, Scenario& scenario)
{
    static Run run;
    run = {};
    run.schedule = &schedule;
    run.scenario = &scenario;
    for (unsigned i = 0; i < processors; ++i)
        prepare(run.fibers[i], stacks[i]);
    running = &run;
    FakeMachine::get().on_relax = give_way;
    for (const unsigned processor : {schedule.first, 1 - schedule.first})
        while (!run.ended[processor]) {
            resume(processor);
            swapcontext(&run.home, &run.fibers[processor]);
        }
    FakeMachine::get().on_relax = nullptr;
    running = nullptr;
    FakeMachine::get().run_as(CpuId(0));
    return run.steps;
}

class Search {
public:
    Search(unsigned changes, const std::function<std::unique_ptr<Scenario>()>& make) : most_(changes), make_(make) {}

    void from(const Schedule& schedule)
    {
        u64 steps = 0;
        {
            const std::unique_ptr<Scenario> scenario = make_();
            steps = perform(schedule, *scenario);
            ++result.runs;
            const std::string wrong = scenario->verdict();
            if (!wrong.empty())
                result.failure = schedule.text() + ": " + wrong;
        }
        if (schedule.changes.size() == most_)
            return;
        for (u64 at = schedule.changes.empty() ? 1 : schedule.changes.back() + 1; at <= steps && result.failure.empty();
             ++at) {
            Schedule longer = schedule;
            longer.changes.push_back(at);
            from(longer);
        }
    }

    Explored result;

private:
    unsigned most_;
    const std::function<std::unique_ptr<Scenario>()>& make_;
};

}

Explored explore(unsigned changes, const std::function<std::unique_ptr<Scenario>()>& make)
{
    Search search(changes, make);
    for (unsigned first = 0; first < processors && search.result.failure.empty(); ++first)
        search.from({first, {}});
    return search.result;
}

}

extern "C" void xylem_atomic_step()
{
    using namespace xylem::test;
    if (!running)
        return;
    ++running->steps;
    const auto& changes = running->schedule->changes;
    if (running->next_change < changes.size() && changes[running->next_change] == running->steps) {
        ++running->next_change;
        give_way();
    }
}
