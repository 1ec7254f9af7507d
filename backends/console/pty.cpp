// See pty.hpp.
#include "backends/console/pty.hpp"

#include <cstdlib>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

namespace xylem::backends::console {

static void make_raw(int terminal)
{
    termios settings{};
    if (tcgetattr(terminal, &settings) < 0)
        dom0::throw_errno("cannot read a pseudo terminal's settings");
    cfmakeraw(&settings);
    if (tcsetattr(terminal, TCSANOW, &settings) < 0)
        dom0::throw_errno("cannot set a pseudo terminal's settings");
}

Pty::Pty(EventLoop& loop, std::size_t limit)
    : near_(posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)), backlog_(limit)
{
    char name[64];
    if (!near_ || grantpt(near_.get()) < 0 || unlockpt(near_.get()) < 0 ||
        ptsname_r(near_.get(), name, sizeof name) != 0)
        dom0::throw_errno("cannot make a pseudo terminal");
    path_ = name;
    far_ = dom0::open_device(name, O_RDWR | O_NOCTTY);
    make_raw(far_.get());
    near_for_output_ = dom0::Fd(fcntl(near_.get(), F_DUPFD_CLOEXEC, 0));
    input_ = loop.watch_readable(near_.get(), [this] { tell_reader(); });
    input_.enable(false);
    output_ = loop.watch_writable(near_for_output_.get(), [this] { flush(); });
    output_.enable(false);
}

void Pty::write(std::string_view text)
{
    const bool idle = backlog_.empty();
    backlog_.append(text);
    if (idle)
        flush();
}

void Pty::flush()
{
    while (!backlog_.empty()) {
        const ssize_t written = ::write(near_.get(), backlog_.text().data(), backlog_.text().size());
        if (written <= 0)
            break;
        backlog_.drop_front(static_cast<std::size_t>(written));
    }
    output_.enable(!backlog_.empty());
}

std::size_t Pty::read(std::span<char> buffer)
{
    const ssize_t bytes = ::read(near_.get(), buffer.data(), buffer.size());
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
}

}
