// See socket_link.hpp.
#include "xenstore/daemon/socket_link.hpp"

#include "hypervisor/abi/io/xs_wire.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <unistd.h>

namespace xylem::xenstore {

SocketLink::SocketLink(EventLoop& loop, int fd, std::function<void()> wake) : loop_(loop), fd_(fd), interest_(EPOLLIN)
{
    loop_.add(fd_, interest_, [this, wake = std::move(wake)](unsigned) {
        has_unread_ = true;
        wake();
    });
}

SocketLink::~SocketLink()
{
    loop_.remove(fd_);
    close(fd_);
}

std::optional<std::string_view> SocketLink::receive(Journal& journal, u32 connection, std::size_t)
{
    constexpr std::size_t most = sizeof(abi::io::XsMessageHeader) + abi::io::xenstore_payload_max;
    for (;;) {
        const std::ptrdiff_t got = journal.receive(fd_, connection, most);
        has_unread_ = got == std::ptrdiff_t{most}; // less than there was room for is all there was
        if (got > 0)
            return journal.received(static_cast<std::size_t>(got));
        if (got < 0 && errno == EAGAIN)
            return std::string_view();
        if (got == 0 || errno != EINTR)
            return std::nullopt;
    }
}

std::optional<std::size_t> SocketLink::send(Journal& journal, u32 connection, std::string_view bytes)
{
    for (;;) {
        const std::ptrdiff_t sent = journal.send(fd_, connection, bytes);
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
