// Watchdog timers of domains. (xen/include/public/sched.h, SCHEDOP_watchdog)

#include "hypervisor/domain/watchdog.hpp"

#include "hypervisor/abi/sched.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/lifecycle.hpp"

namespace xylem {
namespace {

void ran_out(void* context)
{
    Domain& domain = *static_cast<Domain*>(context);
    log(LogLevel::warning, "d{}: a watchdog timer has run out", domain.id);
    shut_down(domain, static_cast<u8>(abi::ShutdownReason::watchdog));
}

void start(Watchdog& watchdog, u32 seconds)
{
    sched::set_timer(watchdog.timer, machine::now() + i64{seconds} * 1'000'000'000);
}

}

Result<i64> set_watchdog(Domain& domain, u32 id, u32 seconds)
{
    LockGuard guard(domain.watchdog_lock);
    if (id > std::size(domain.watchdogs))
        return Error::Invalid;
    if (id == 0) {
        if (seconds == 0)
            return Error::Invalid;
        for (u32 i = 0; i < std::size(domain.watchdogs); ++i) {
            Watchdog& watchdog = domain.watchdogs[i];
            if (watchdog.in_use)
                continue;
            watchdog.in_use = true;
            // Here alone: one that is armed may be running out on another processor.
            watchdog.timer.function = ran_out;
            watchdog.timer.context = &domain;
            start(watchdog, seconds);
            return i64{i} + 1;
        }
        return Error::NoSpace;
    }
    Watchdog& watchdog = domain.watchdogs[id - 1];
    if (!watchdog.in_use)
        return Error::Invalid;
    if (seconds == 0) {
        sched::cancel_timer(watchdog.timer);
        watchdog.in_use = false;
    } else {
        start(watchdog, seconds);
    }
    return i64{0};
}

void cancel_watchdogs(Domain& domain)
{
    for (Watchdog& watchdog : domain.watchdogs)
        sched::cancel_timer(watchdog.timer);
}

}
