// See fd.hpp.
#include "dom0/lib/fd.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace xylem::dom0 {

Fd::~Fd()
{
    if (raw_ >= 0)
        close(raw_);
}

void throw_errno(const std::string& what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

Fd take_signals(std::initializer_list<int> signals)
{
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals)
        sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd)
        throw_errno("cannot receive signals");
    return fd;
}

void fill_randomly(std::span<std::byte> bytes)
{
    while (!bytes.empty()) {
        const ssize_t got = getrandom(bytes.data(), bytes.size(), GRND_INSECURE);
        if (got < 0 && errno != EINTR)
            throw_errno("cannot get random bytes");
        bytes = bytes.subspan(got < 0 ? 0 : static_cast<std::size_t>(got));
    }
}

Fd open_device(const char* path, int flags)
{
    Fd fd(open(path, flags | O_CLOEXEC));
    if (!fd)
        throw_errno(std::string("cannot open ") + path);
    return fd;
}

bool write_all(int fd, std::span<const std::byte> data)
{
    while (!data.empty()) {
        const ssize_t written = write(fd, data.data(), data.size());
        if (written >= 0) {
            data = data.subspan(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            pollfd room{fd, POLLOUT, 0};
            poll(&room, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

}
