// See event_loop.hpp.
#include "backends/lib/event_loop.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>

namespace xylem::backends {

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC))
{
    if (!epoll_)
        dom0::throw_errno("cannot create an epoll descriptor");
}

EventLoop::Watch EventLoop::watch_readable(int fd, Handler on_ready)
{
    return watch(fd, EPOLLIN, std::move(on_ready));
}

EventLoop::Watch EventLoop::watch_writable(int fd, Handler on_ready)
{
    return watch(fd, EPOLLOUT, std::move(on_ready));
}

EventLoop::Watch EventLoop::watch(int fd, std::uint32_t events, Handler on_ready)
{
    const std::uint64_t id = next_id_++;
    epoll_event event{};
    event.events = events;
    event.data.u64 = id;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
        dom0::throw_errno("cannot watch a file descriptor");
    entries_.emplace(id, Entry{fd, events, std::move(on_ready)});
    return Watch(*this, id);
}

EventLoop::Watch::~Watch()
{
    if (!loop_)
        return;
    const auto entry = loop_->entries_.find(id_);
    epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_DEL, entry->second.fd, nullptr);
    loop_->entries_.erase(entry);
}

void EventLoop::Watch::enable(bool on)
{
    const Entry& entry = loop_->entries_.at(id_);
    epoll_event event{};
    event.events = on ? entry.events : 0;
    event.data.u64 = id_;
    epoll_ctl(loop_->epoll_.get(), EPOLL_CTL_MOD, entry.fd, &event);
}

EventLoop::Timer EventLoop::after(Clock::duration delay, Handler on_time)
{
    Timer timer;
    timer.deadlines_ = deadlines_;
    timer.armed_ = std::make_shared<bool>(true);
    timer.place_ = deadlines_->emplace(Clock::now() + delay, [armed = timer.armed_, work = std::move(on_time)] {
        *armed = false;
        work();
    });
    return timer;
}

void EventLoop::Timer::cancel()
{
    if (!pending())
        return;
    *armed_ = false;
    deadlines_->erase(place_);
}

void EventLoop::run()
{
    running_ = true;
    while (running_)
        turn(std::chrono::milliseconds(-1));
}

int EventLoop::patience_in_milliseconds(std::chrono::milliseconds patience) const
{
    if (!deferred_.empty())
        return 0;
    if (deadlines_->empty())
        return static_cast<int>(patience.count());
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadlines_->begin()->first - Clock::now());
    const auto until_deadline = std::max(left, std::chrono::milliseconds(0));
    return static_cast<int>((patience.count() < 0 ? until_deadline : std::min(patience, until_deadline)).count());
}

void EventLoop::turn(std::chrono::milliseconds patience)
{
    epoll_event events[64];
    const int count = epoll_wait(epoll_.get(), events, 64, patience_in_milliseconds(patience));
    if (count < 0 && errno != EINTR)
        dom0::throw_errno("cannot wait for events");
    for (int i = 0; i < count; ++i) {
        const auto entry = entries_.find(events[i].data.u64);
        if (entry == entries_.end())
            continue;                                    // closed by a handler before it in this turn
        const Handler on_ready = entry->second.on_ready; // a copy: the handler may end its own watch
        on_ready();
    }
    run_due_timers();
    run_deferred();
}

void EventLoop::run_due_timers()
{
    if (deadlines_->empty())
        return;
    const auto now = Clock::now();
    while (!deadlines_->empty() && deadlines_->begin()->first <= now) {
        const Handler work = std::move(deadlines_->begin()->second);
        deadlines_->erase(deadlines_->begin());
        work();
    }
}

void EventLoop::run_deferred()
{
    std::vector<Handler> work;
    work.swap(deferred_);
    for (const Handler& item : work)
        item();
}

}
