// Ctrl-C in the middle of a creation: taken note of, so that the creation can be undone.
#pragma once

#include <csignal>

namespace xylem::xl {

/// While it lives, signals that would end us are held back.
class InterruptGuard {
public:
    InterruptGuard();
    ~InterruptGuard();
    InterruptGuard(const InterruptGuard&) = delete;
    InterruptGuard& operator=(const InterruptGuard&) = delete;

    /// @throws Failure  one has come
    void check() const;

private:
    sigset_t held_{};
    sigset_t before_{};
};

}
