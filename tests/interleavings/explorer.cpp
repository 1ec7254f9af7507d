// See explorer.hpp.
#include "tests/interleavings/explorer.hpp"

#include "tests/support/fake_machine.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ucontext.h>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace xylem::test {

namespace {

constexpr unsigned processors = Scenario::processors;
constexpr std::size_t stack_bytes = 256 << 10;
/// More turns than this in one run mean that both wait for each other.
constexpr u64 hopeless = 1'000'000;

struct Schedule {
    unsigned first = 0;
    std::vector<u64> changes; ///< the steps in front of which the other goes on, counted from 1
    std::string text() const
    {
        std::string all = "processor " + std::to_string(first) + " first, changes at steps";
        for (const u64 step : changes)
            all += " " + std::to_string(step);
        return all;
    }
};

struct Access {
    u64 word; ///< which of eight bytes: some are used whole and in parts
    u64 step; ///< of which step it is; 0 before a processor's first
    unsigned processor;
    bool writes;
    bool at_the_seam; ///< it changes or reads the machine's TLBs, too
};

struct Step {
    unsigned processor;
    u64 begin; ///< where its accesses begin in the trace
    u64 state; ///< in front of it: all that what follows depends on
};

struct Trace {
    std::vector<Access> accesses; ///< in the order in which they were made
    std::vector<Step> steps;      ///< in the order in which they were about to be made
    u64 last_change = 0;          ///< how many accesses had been made at the schedule's last change
    u64 ended[processors] = {};   ///< how many steps there had been when each was done
    const Step& step(u64 number) const { return steps[number - 1]; }
};

/// The run under way.
struct Run {
    const Schedule* schedule = nullptr;
    Scenario* scenario = nullptr;
    Trace* trace = nullptr;
    ucontext_t home, fibers[processors];
    bool ended[processors] = {};
    u64 step[processors] = {}; ///< that each has begun last
    unsigned current = 0;
    std::size_t next_change = 0;
    u64 turns = 0;
    bool tells_states = false; ///< for which the three below are kept
    u64 seen[processors] = {}; ///< all that each has read, in its order: where it is follows from that
    u64 at_the_seam = 0;       ///< all that has been asked of the machine
    std::unordered_set<u64> words;
};
Run* running = nullptr;
char* stacks[processors];

/// A panic or a failed assertion of the core ends the program: say at least where.
void tell_schedule(int)
{
    if (running)
        std::fprintf(stderr, "in the interleaving: %s\n", running->schedule->text().c_str());
}

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
        std::fprintf(stderr, "the processors wait for each other\n");
        std::abort();
    }
    if (running->ended[other])
        return;
    resume(other);
    swapcontext(&running->fibers[self], &running->fibers[other]);
}

u64 mixed(u64 a, u64 b)
{
    a = (a ^ b) * 0x9e37'79b9'7f4a'7c15;
    return a ^ a >> 29;
}

u64 value_of(u64 word)
{
    return *reinterpret_cast<const volatile u64*>(word * sizeof(u64));
}

/// A plain write tells its processor nothing.
enum class Look { plain, atomic, seam };
void remember(u64 word, bool writes, Look look)
{
    if (!running->tells_states)
        return;
    u64& seen = running->seen[running->current];
    if (look == Look::seam) {
        running->at_the_seam = mixed(mixed(running->at_the_seam, word), running->current);
        seen = mixed(seen, running->at_the_seam);
        return;
    }
    running->words.insert(word);
    seen = mixed(seen, word);
    if (!writes || look == Look::atomic)
        seen = mixed(seen, value_of(word));
}

/// Where both processors are, whose turn it is, and the memory that they have had to do with.
u64 state_of(const Run& run)
{
    u64 memory = 0;
    for (const u64 word : run.words)
        memory += mixed(mixed(1, word), value_of(word));
    u64 state = mixed(mixed(memory, run.at_the_seam), run.current);
    for (unsigned i = 0; i < processors; ++i)
        state = mixed(mixed(state, run.seen[i]), run.ended[i]);
    return state;
}

void note(u64 word, bool writes, Look look)
{
    const unsigned self = running->current;
    remember(word / sizeof(u64), writes, look);
    running->trace->accesses.push_back({word / sizeof(u64), running->step[self], self, writes, look == Look::seam});
}

/// A step is about to be made: here the other may go first.
void begin_step()
{
    const unsigned self = running->current;
    Trace& trace = *running->trace;
    trace.steps.push_back({self, 0, running->tells_states ? state_of(*running) : 0});
    const u64 number = trace.steps.size();
    const auto& changes = running->schedule->changes;
    if (running->next_change < changes.size() && changes[running->next_change] == number) {
        ++running->next_change;
        trace.last_change = trace.accesses.size();
        give_way();
    }
    running->step[self] = number;
    trace.steps[number - 1].begin = trace.accesses.size();
}

void note_seam_step(const void* word)
{
    if (!running)
        return;
    begin_step();
    note(reinterpret_cast<u64>(word), true, Look::seam);
}

void body()
{
    const unsigned self = running->current;
    running->scenario->run(self);
    running->ended[self] = true;
    running->trace->ended[self] = running->trace->steps.size();
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

Trace perform(const Schedule& schedule, Scenario& scenario, bool tells_states)
{
    static Run run;
    Trace trace;
    run = {};
    run.schedule = &schedule;
    run.scenario = &scenario;
    run.trace = &trace;
    run.tells_states = tells_states;
    for (unsigned i = 0; i < processors; ++i)
        prepare(run.fibers[i], stacks[i]);
    running = &run;
    FakeMachine& machine = FakeMachine::get();
    machine.on_relax = give_way;
    machine.on_step = note_seam_step;
    for (const unsigned processor : {schedule.first, 1 - schedule.first})
        while (!run.ended[processor]) {
            resume(processor);
            swapcontext(&run.home, &run.fibers[processor]);
        }
    machine.on_relax = nullptr;
    machine.on_step = nullptr;
    running = nullptr;
    machine.run_as(CpuId(0));
    return trace;
}

/// What the other processor did between the last change of a run and its next turn's end.
class Turn {
public:
    Turn(const Trace& trace, unsigned processor)
    {
        for (u64 i = trace.last_change; i < trace.accesses.size() && trace.accesses[i].processor == processor; ++i) {
            const Access& access = trace.accesses[i];
            written_[access.word] |= access.writes;
            at_the_seam_ |= access.at_the_seam;
        }
    }
    /// Whether it comes to the same if a step of the run `trace` is before or after the turn.
    bool independent_of(const Trace& trace, u64 step) const
    {
        const unsigned self = trace.step(step).processor;
        for (u64 i = trace.step(step).begin; i < trace.accesses.size(); ++i) {
            const Access& access = trace.accesses[i];
            if (access.step != step)
                return access.processor == self; // else it gave way in the midst
            if (touches(access))
                return false;
        }
        return true;
    }

private:
    bool touches(const Access& access) const
    {
        if (access.at_the_seam && at_the_seam_)
            return true;
        const auto same = written_.find(access.word);
        return same != written_.end() && (same->second || access.writes);
    }

    std::unordered_map<u64, bool> written_; ///< the words that it read, and whether it wrote them
    bool at_the_seam_ = false;
};

class Search {
public:
    Search(unsigned changes, const std::function<std::unique_ptr<Scenario>()>& make) : most_(changes), make_(make) {}

    /// Runs the schedule, and those that begin as it does. @return what happened in its own run
    Trace from(const Schedule& schedule)
    {
        Trace trace = run(schedule);
        if (schedule.changes.size() == most_)
            return trace;
        u64 at = schedule.changes.empty() ? 1 : schedule.changes.back() + 1;
        while (at <= trace.steps.size() && result.failure.empty()) {
            if (most_ == every_change && !visited_.insert(trace.step(at).state).second)
                break; // whatever can follow has been seen
            if (trace.ended[1 - trace.step(at).processor] < at) {
                ++at; // the other has nothing left to do
                continue;
            }
            Schedule longer = schedule;
            longer.changes.push_back(at);
            const Turn turn(from(longer), 1 - trace.step(at).processor);
            at = last_like(trace, at, turn) + 1;
        }
        return trace;
    }

    Explored result;

private:
    Trace run(const Schedule& schedule)
    {
        const std::unique_ptr<Scenario> scenario = make_();
        Trace trace = perform(schedule, *scenario, most_ == every_change);
        ++result.runs;
        const std::string wrong = scenario->verdict();
        if (!wrong.empty() && result.failure.empty()) {
            result.failure = schedule.text() + ": " + wrong;
            std::fprintf(stderr, "%s\n", result.failure.c_str()); // what is wrong may not survive the scenario's end
        }
        return trace;
    }

    /// The last step at which a change comes to the same as one at step `at`, after which the other has that turn: all
    /// steps in between are independent of it.
    static u64 last_like(const Trace& trace, u64 at, const Turn& turn)
    {
        const unsigned self = trace.step(at).processor;
        while (at < trace.steps.size() && trace.step(at + 1).processor == self && turn.independent_of(trace, at))
            ++at;
        return at;
    }

    unsigned most_;
    const std::function<std::unique_ptr<Scenario>()>& make_;
    std::unordered_set<u64> visited_; ///< states, if all changes are explored
};

}

void note_step(const volatile void* word, bool writes)
{
    if (!running)
        return;
    begin_step();
    note(reinterpret_cast<u64>(word), writes, Look::atomic);
}

void note_access(const void* word, bool writes)
{
    if (running)
        note(reinterpret_cast<u64>(word), writes, Look::plain);
}

Explored explore(unsigned changes, const std::function<std::unique_ptr<Scenario>()>& make)
{
    std::signal(SIGABRT, tell_schedule);
    Search search(changes, make);
    for (unsigned first = 0; first < processors && search.result.failure.empty(); ++first)
        search.from({first, {}});
    return search.result;
}

unsigned all_changes(unsigned usual)
{
    return std::getenv("XYLEM_MORE_CHANGES") ? every_change : usual;
}

unsigned allowed_changes(unsigned usual)
{
    const char* more = std::getenv("XYLEM_MORE_CHANGES");
    return usual + (more ? static_cast<unsigned>(std::atoi(more)) : 0);
}

}
