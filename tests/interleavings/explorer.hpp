// Explores how the atomic steps of two processors can mix: a scenario is run once for every way in which the processors
// take turns with at most so many changes between them, each at any step. (What few changes cannot show, more seldom
// do.) Or for every way there is: then what follows from a state is explored once, however it was come to.
//
// The processors are fibers of one thread, so that a run is what its schedule says and nothing else. Who waits in a
// spin loop gives way; that is no change of the schedule's.
//
// A step is an atomic operation of the core, or what it asks of the machine's tables and TLBs, with the plain code that
// follows. Of two runs that differ only in the order of steps that have no memory in common one is made: the other
// would end alike.
#pragma once

#include "hypervisor/base/types.hpp"

#include <functional>
#include <memory>
#include <string>

namespace xylem::test {

/// One run's state, made afresh for each, and what is done with it.
class Scenario {
public:
    static constexpr unsigned processors = 2;
    virtual ~Scenario() = default;
    virtual void run(unsigned processor) = 0;
    /// After both have ended. @return what is wrong
    virtual std::string verdict() = 0;
};

struct Explored {
    u64 runs = 0;
    std::string failure; ///< the first, with its schedule
};

/// No bound: every order of their steps. What follows from a state that has been there is explored once.
inline constexpr unsigned every_change = ~0U;

/// Runs every schedule of at most `changes` changes, until one fails.
Explored explore(unsigned changes, const std::function<std::unique_ptr<Scenario>()>& make);

/// `usual`, and as many more as XYLEM_MORE_CHANGES says.
unsigned allowed_changes(unsigned usual);
/// `usual`, or all with XYLEM_MORE_CHANGES.
unsigned all_changes(unsigned usual);

// ---- For what the compiler puts in front of each access (hooks.cpp)

/// A step begins: an atomic access to `word`.
void note_step(const volatile void* word, bool writes);
/// A plain access.
void note_access(const void* word, bool writes);

}
