// See channel.hpp.
#include "xenstore/capi/channel.hpp"

#include "xenstore/store/path.hpp"

#include <cerrno>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

void add_to(int epoll, int fd)
{
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        throw std::system_error(errno, std::generic_category(), "epoll_ctl");
}

/// Error's numbers are those of Linux; the words of the wire that it lacks come from other daemons.
int errno_of(std::string_view word)
{
    if (const std::optional<Error> error = error_of(word))
        return static_cast<int>(*error);
    if (word == "EISDIR")
        return EISDIR;
    if (word == "ENOTEMPTY")
        return ENOTEMPTY;
    if (word == "EROFS")
        return EROFS;
    if (word == "EISCONN")
        return EISCONN;
    return EIO;
}

}

Channel::Channel(int fd)
    : fd_(fd), epoll_(epoll_create1(EPOLL_CLOEXEC)), counter_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))
{
    add_to(epoll_, fd_);
    add_to(epoll_, counter_);
}

Channel::~Channel()
{
    for (int fd : {fd_, epoll_, counter_})
        close(fd);
}

bool Channel::send_all(std::string_view bytes)
{
    const std::lock_guard lock(send_mutex_);
    while (!bytes.empty()) {
        ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == ENOTSOCK)
            sent = write(fd_, bytes.data(), bytes.size());
        if (sent < 0 && errno != EINTR)
            return false;
        bytes.remove_prefix(sent < 0 ? 0 : static_cast<std::size_t>(sent));
    }
    return true;
}

void Channel::update_counter()
{
    if (counter_stands_ == !events_.empty())
        return;
    counter_stands_ = !events_.empty();
    u64 one = 1;
    if (counter_stands_)
        (void)!write(counter_, &one, sizeof one);
    else
        (void)!read(counter_, &one, sizeof one);
}

void Channel::sort(std::string_view bytes)
{
    assembler_.append(bytes);
    for (;;) {
        Result<std::optional<Message>> next = assembler_.next();
        if (!next.ok()) {
            lost_with_ = EPROTO;
            return;
        }
        std::optional<Message> message = next.take();
        if (!message)
            return;
        if (message->type == XsMessageType::watch_event)
            events_.push_back(std::move(message->payload));
        else
            replies_[message->req_id] = std::move(*message);
        update_counter();
    }
}

/// The lock is open while it reads, and nobody else reads meanwhile.
bool Channel::read_once(Lock& lock, Wait wait)
{
    is_read_by_somebody_ = true;
    lock.unlock();
    char buffer[8192];
    pollfd poller{fd_, POLLIN, 0};
    const bool is_ready = wait == Wait::yes || poll(&poller, 1, 0) == 1;
    const ssize_t got = is_ready ? read(fd_, buffer, sizeof buffer) : -1;
    const int error = got == 0 ? ECONNRESET : errno;
    lock.lock();
    is_read_by_somebody_ = false;
    if (got > 0)
        sort({buffer, static_cast<std::size_t>(got)});
    else if (is_ready && error != EINTR && error != EAGAIN)
        lost_with_ = error;
    changed_.notify_all();
    return is_ready;
}

/// @return false  the connection was lost first; errno says how
template <typename Done> bool Channel::read_until(Lock& lock, const Done& done)
{
    while (!done()) {
        if (lost_with_) {
            errno = lost_with_;
            return false;
        }
        if (is_read_by_somebody_)
            changed_.wait(lock);
        else
            read_once(lock, Wait::yes);
    }
    return true;
}

std::optional<std::string> Channel::request(XsMessageType type, u32 transaction, std::string_view payload)
{
    if (payload.size() > abi::io::xenstore_payload_max) {
        errno = E2BIG; // the daemon would end the connection
        return std::nullopt;
    }
    Lock lock(mutex_);
    const u32 id = next_id_++;
    lock.unlock();
    if (!send_all(encode({type, id, transaction, std::string(payload)})))
        return std::nullopt;
    lock.lock();
    if (!read_until(lock, [&] { return replies_.contains(id); }))
        return std::nullopt;
    Message reply = std::move(replies_.extract(id).mapped());
    if (reply.type != XsMessageType::error)
        return std::move(reply.payload);
    errno = errno_of(reply.payload.c_str());
    return std::nullopt;
}

std::optional<std::string> Channel::next_event(Wait wait)
{
    Lock lock(mutex_);
    if (wait == Wait::yes) {
        if (!read_until(lock, [&] { return !events_.empty(); }))
            return std::nullopt;
    } else {
        while (events_.empty() && !lost_with_ && !is_read_by_somebody_ && read_once(lock, Wait::no)) {
        }
        if (events_.empty()) {
            errno = lost_with_ ? lost_with_ : EAGAIN;
            return std::nullopt;
        }
    }
    std::string event = std::move(events_.front());
    events_.pop_front();
    update_counter();
    return event;
}

void Channel::forget_events(std::string_view path, std::string_view token)
{
    const std::lock_guard lock(mutex_);
    std::erase_if(events_, [&](const std::string& event) {
        const std::vector<std::string_view> words = strings_of(event);
        return words.size() == 2 && words[1] == token && is_within(words[0], path);
    });
    update_counter();
}

}
