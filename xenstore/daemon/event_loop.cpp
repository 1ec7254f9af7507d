// See event_loop.hpp.
#include "xenstore/daemon/event_loop.hpp"

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <system_error>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

void control(int epoll, int operation, int fd, unsigned interest)
{
    epoll_event event{};
    event.events = interest;
    event.data.fd = fd;
    if (epoll_ctl(epoll, operation, fd, &event) < 0)
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

}

EventLoop::EventLoop() : epoll_(epoll_create1(EPOLL_CLOEXEC))
{
    if (epoll_ < 0)
        throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

EventLoop::~EventLoop()
{
    close(epoll_);
}

void EventLoop::add(int fd, unsigned interest, Callback callback)
{
    control(epoll_, EPOLL_CTL_ADD, fd, interest);
    callbacks_[fd] = std::make_shared<Callback>(std::move(callback));
}

void EventLoop::change(int fd, unsigned interest)
{
    control(epoll_, EPOLL_CTL_MOD, fd, interest);
}

void EventLoop::remove(int fd)
{
    control(epoll_, EPOLL_CTL_DEL, fd, 0);
    callbacks_.erase(fd);
}

void EventLoop::turn(Wait wait)
{
    std::array<epoll_event, 64> events;
    const int count = epoll_wait(epoll_, events.data(), events.size(), wait == Wait::yes ? -1 : 0);
    if (count < 0 && errno != EINTR)
        throw std::system_error(errno, std::generic_category(), "epoll_wait");
    for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        const auto found = callbacks_.find(event.data.fd);
        if (found == callbacks_.end())
            continue;
        const std::shared_ptr<Callback> callback = found->second; // it may remove itself
        (*callback)(event.events);
    }
}

}
