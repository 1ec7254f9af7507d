// See socket_link.hpp.
#include "xenstore/daemon/socket_link.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xylem::xenstore {

SocketLink::SocketLink(EventLoop& loop, int fd, std::function<void()> wake) : loop_(loop), fd_(fd), interest_(EPOLLIN)
{
    loop_.add(fd_, interest_, [wake = std::move(wake)](unsigned) { wake(); });
}

SocketLink::~SocketLink()
{
    loop_.remove(fd_);
    close(fd_);
}

std::optional<std::size_t> SocketLink::read(std::span<char> into, std::size_t)
{
    for (;;) {
        const ssize_t got = recv(fd_, into.data(), into.size(), MSG_DONTWAIT);
        if (got > 0)
            return static_cast<std::size_t>(got);
        if (got < 0 && errno == EAGAIN)
            return 0;
        if (got == 0 || errno != EINTR)
            return std::nullopt;
    }
}

std::optional<std::size_t> SocketLink::write(std::string_view bytes)
{
    for (;;) {
        const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0)
            return static_cast<std::size_t>(sent);
        if (errno == EAGAIN)
            return 0;
        if (errno != EINTR)
            return std::nullopt;
    }
}

void SocketLink::set_interest(bool in, bool out)
{
    const unsigned interest = (in ? unsigned{EPOLLIN} : 0) | (out ? unsigned{EPOLLOUT} : 0);
    if (interest != interest_)
        loop_.change(fd_, interest);
    interest_ = interest;
}

}
