// See interrupt.hpp.
#include "tools/xl/interrupt.hpp"

#include "tools/xl/failure.hpp"

#include <ctime>

namespace xylem::xl {

InterruptGuard::InterruptGuard()
{
    sigemptyset(&held_);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
        sigaddset(&held_, signal);
    sigprocmask(SIG_BLOCK, &held_, &before_);
}

InterruptGuard::~InterruptGuard()
{
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void InterruptGuard::check() const
{
    const timespec at_once{};
    if (sigtimedwait(&held_, nullptr, &at_once) > 0)
        fail("interrupted; what was begun is undone");
}

}
