// See unix_socket.hpp.
#include "backends/console/unix_socket.hpp"

#include "backends/lib/log.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace xylem::backends::console {

static constexpr int waiting_clients = 8;
static constexpr auto accept_pause = std::chrono::seconds(1);

static std::runtime_error failed(const std::string& path, const char* what)
{
    return std::runtime_error(fmt::format("cannot {} the socket {}: {}", what, path, std::strerror(errno)));
}

static sockaddr_un address_of(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        throw std::runtime_error(
            fmt::format("'{}' cannot be a socket's path: it has 1 to {} bytes", path, sizeof address.sun_path - 1));
    path.copy(address.sun_path, path.size());
    return address;
}

static dom0::Fd open_socket(const std::string& path)
{
    dom0::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd)
        throw failed(path, "open");
    return fd;
}

void remove_leftover_socket(const std::string& path)
{
    struct stat about {};
    if (lstat(path.c_str(), &about) < 0)
        return;
    if (!S_ISSOCK(about.st_mode))
        throw std::runtime_error(fmt::format("cannot make the socket {}: there is a file already", path));
    const sockaddr_un address = address_of(path);
    const dom0::Fd probe = open_socket(path);
    if (connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 || errno == EAGAIN)
        throw std::runtime_error(fmt::format("cannot make the socket {}: another process listens there", path));
    if (errno != ECONNREFUSED || unlink(path.c_str()) < 0)
        throw failed(path, "take the place of");
}

UnixSocket::UnixSocket(EventLoop& loop, std::string path, std::size_t limit)
    : loop_(loop), path_(std::move(path)), backlog_(limit)
{
    const sockaddr_un address = address_of(path_);
    remove_leftover_socket(path_);
    listener_ = open_socket(path_);
    if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        throw failed(path_, "make");
    if (lstat(path_.c_str(), &made_) < 0 || ::listen(listener_.get(), waiting_clients) < 0)
        throw failed(path_, "listen at");
    arrivals_ = loop.watch_readable(listener_.get(), [this] { accept_client(); });
}

UnixSocket::~UnixSocket()
{
    struct stat now {};
    if (lstat(path_.c_str(), &now) == 0 && now.st_dev == made_.st_dev && now.st_ino == made_.st_ino)
        unlink(path_.c_str());
}

void UnixSocket::accept_client()
{
    dom0::Fd client(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!client) {
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            accept_later();
        return;
    }
    dom0::Fd again(fcntl(client.get(), F_DUPFD_CLOEXEC, 0));
    if (!again)
        return accept_later();
    arrivals_.enable(false);
    from_client_ = std::move(client);
    to_client_ = std::move(again);
    output_ = loop_.watch_writable(to_client_.get(), [this] { flush(); });
    watch_input();
    flush();
}

/// Too many files are open, or there is no memory: a queue that is not emptied would wake us for ever.
void UnixSocket::accept_later()
{
    log("socket {}: cannot take a client: {}", path_, std::strerror(errno));
    arrivals_.enable(false);
    retry_ = loop_.after(accept_pause, [this] { arrivals_.enable(true); });
}

void UnixSocket::watch_input()
{
    if (from_client_ && listening_)
        input_ = loop_.watch_readable(from_client_.get(), [this] { tell_reader(); });
    else
        input_ = {};
}

void UnixSocket::listen(bool on)
{
    if (std::exchange(listening_, on) != on)
        watch_input();
}

void UnixSocket::write(std::string_view text)
{
    const bool idle = backlog_.empty();
    backlog_.append(text);
    if (idle)
        flush();
}

static bool has_hung_up(int fd)
{
    pollfd item{fd, 0, 0};
    return poll(&item, 1, 0) == 1 && (item.revents & (POLLHUP | POLLERR)) != 0;
}

void UnixSocket::flush()
{
    if (!to_client_)
        return;
    if (has_hung_up(to_client_.get()))
        return end_output();
    while (!backlog_.empty()) {
        const ssize_t sent =
            send(to_client_.get(), backlog_.text().data(), backlog_.text().size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return end_output();
        if (sent < 0)
            break;
        backlog_.drop_front(static_cast<std::size_t>(sent));
    }
    output_.enable(!backlog_.empty());
}

std::size_t UnixSocket::read(std::span<char> buffer)
{
    if (!from_client_ || buffer.empty())
        return 0;
    const ssize_t bytes = recv(from_client_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR))
        end_input();
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

void UnixSocket::end_input()
{
    input_ = {};
    from_client_ = {};
    await_next_client();
}

/// A client that has gone is not waited for, unless it has left something for the guest.
void UnixSocket::end_output()
{
    output_ = {};
    to_client_ = {};
    char next = 0;
    if (from_client_ && recv(from_client_.get(), &next, 1, MSG_PEEK | MSG_DONTWAIT) <= 0 && errno != EAGAIN)
        return end_input();
    await_next_client();
}

void UnixSocket::await_next_client()
{
    if (!from_client_ && !to_client_)
        arrivals_.enable(true);
}

}
