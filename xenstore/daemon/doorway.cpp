// See doorway.hpp.
#include "xenstore/daemon/doorway.hpp"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace xylem::xenstore {

using dom0::KeeperMessage;

std::optional<Visitor> OwnDoorway::next()
{
    for (;;) {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            return Visitor{++next_number_, fd};
        if (errno == EAGAIN)
            return std::nullopt;
        if (errno != EINTR && errno != ECONNABORTED)
            throw std::system_error(errno, std::generic_category(), "cannot accept a client");
    }
}

KeptDoorway::KeptDoorway(int channel) : channel_(channel)
{
    tell({KeeperMessage::Kind::begin, 0});
    for (;;) {
        int fd = -1;
        const std::optional<KeeperMessage> message = receive(fd, 0);
        if (!message)
            throw std::system_error(EPIPE, std::generic_category(), "the keeper of our sockets");
        if (message->kind == KeeperMessage::Kind::all)
            return;
        if (message->kind == KeeperMessage::Kind::memory)
            memory_ = fd;
        else if (memory_ >= 0)
            kept_[message->number] = fd;
        else
            close(fd); // on its way to our predecessor; it comes again
    }
}

std::optional<KeeperMessage> KeptDoorway::receive(int& fd, int flags)
{
    KeeperMessage text{};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)];
    iovec piece{&text, sizeof text};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got;
    do
        got = recvmsg(channel_, &message, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return std::nullopt;
    if (got != sizeof text)
        throw std::system_error(got < 0 ? errno : EPIPE, std::generic_category(), "the keeper of our sockets");
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header && header->cmsg_type == SCM_RIGHTS)
        std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    if (fd < 0 && text.kind == KeeperMessage::Kind::client)
        throw std::system_error(EMFILE, std::generic_category(), "a client's socket did not arrive");
    return text;
}

std::optional<Visitor> KeptDoorway::next()
{
    int fd = -1;
    if (!kept_.empty()) {
        const auto first = kept_.begin();
        const Visitor visitor{first->first, first->second};
        kept_.erase(first);
        return visitor;
    }
    const std::optional<KeeperMessage> message = receive(fd, MSG_DONTWAIT);
    return message ? std::optional(Visitor{message->number, fd}) : std::nullopt;
}

int KeptDoorway::kept(u32 number)
{
    const auto found = kept_.find(number);
    if (found == kept_.end())
        return -1;
    const int fd = found->second;
    kept_.erase(found);
    return fd;
}

void KeptDoorway::forget_kept()
{
    for (const auto& [number, fd] : std::exchange(kept_, {})) {
        close(fd);
        leave(number);
    }
}

void KeptDoorway::leave(u32 number)
{
    tell({KeeperMessage::Kind::leave, number});
}

void KeptDoorway::tell(KeeperMessage message)
{
    (void)!send(channel_, &message, sizeof message, MSG_NOSIGNAL); // waits for room
}

}
