// See console.hpp. The console daemon holds the ring and offers a pseudo-terminal, whose name it writes to the store.
#include "tools/xl/console.hpp"

#include "dom0/lib/fd.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/failure.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

using namespace std::chrono_literals;

constexpr char escape = 0x1D; // Ctrl-]
constexpr auto patience = 10s;

/// Our terminal without echo and line editing, until the end of this object.
class RawTerminal {
public:
    RawTerminal() : is_terminal_(tcgetattr(STDIN_FILENO, &saved_) == 0)
    {
        if (!is_terminal_)
            return;
        termios raw = saved_;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    }
    ~RawTerminal()
    {
        if (is_terminal_)
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved_);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

private:
    termios saved_{};
    bool is_terminal_;
};

/// A console beside the first is a channel, if there is one.
void check_joinable(Session& session, const Device& channel)
{
    const auto connection = session.store.find(channel.record() + "/connection");
    if (!connection)
        fail("domain {} has no console {}; xl channel-list {} has those beside the first", channel.guest.value,
             channel.number, channel.guest.value);
    if (connection == "socket")
        fail("console {} of domain {} is a channel on the socket {}, which programs connect to", channel.number,
             channel.guest.value, session.store.find(channel.record() + "/path").value_or("?"));
}

std::string wait_for_tty(Session& session, DomId domain, unsigned number)
{
    const Device device{"console", domain, number};
    if (!device.is_first_console())
        check_joinable(session, device);
    const std::string path = device.frontend() + "/tty";
    const auto deadline = std::chrono::steady_clock::now() + patience;
    session.store.watch(path, "tty");
    std::string tty;
    while ((tty = session.store.find(path).value_or("")).empty()) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= 0ms)
            fail("domain {} has no console {}: no console daemon took it up within {} s", domain.value, number,
                 std::chrono::seconds(patience).count());
        session.store.wait_for_event(left);
    }
    session.store.unwatch(path, "tty");
    return tty;
}

dom0::Fd open_tty(const std::string& path)
{
    dom0::Fd fd(open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!fd)
        fail("cannot open the console {}: {}", path, std::strerror(errno));
    termios settings{};
    if (tcgetattr(fd.get(), &settings) == 0) {
        cfmakeraw(&settings);
        tcsetattr(fd.get(), TCSANOW, &settings);
    }
    return fd;
}

enum class Passed { some, at_end, at_escape };

/// Passes on what `from` has.
Passed pass_on(int from, int to, bool watch_for_escape)
{
    char buffer[4096];
    const ssize_t got = read(from, buffer, sizeof buffer);
    if (got < 0)
        return errno == EINTR || errno == EAGAIN ? Passed::some : Passed::at_end;
    const auto* stop = watch_for_escape
                           ? static_cast<const char*>(std::memchr(buffer, escape, static_cast<std::size_t>(got)))
                           : nullptr;
    const std::size_t size = stop ? static_cast<std::size_t>(stop - buffer) : static_cast<std::size_t>(got);
    const bool written = dom0::write_all(to, std::as_bytes(std::span(buffer, size)));
    if (stop)
        return Passed::at_escape;
    return written && got > 0 ? Passed::some : Passed::at_end;
}

/// Whether the domain may still have something to say. At a terminal one that has shut down, but is preserved, is
/// looked at until the user leaves; a script could not leave.
bool is_of_interest(Session& session, DomId domain, bool can_leave)
{
    const auto info = session.hypervisor.domain(domain);
    return info && !(info->flags & (can_leave ? abi::dominf_dying : abi::dominf_dying | abi::dominf_shutdown));
}

/// Until the escape character, or the end of the domain: a terminal's own end is none, since the daemon may start
/// again.
void converse(Session& session, DomId domain, int tty)
{
    bool input = true;
    for (;;) {
        pollfd items[] = {{tty, POLLIN, 0}, {input ? STDIN_FILENO : -1, POLLIN, 0}};
        if (poll(items, 2, 1000) < 0 && errno != EINTR)
            dom0::throw_errno("cannot wait for the console");
        if (items[0].revents & POLLIN) {
            if (pass_on(tty, STDOUT_FILENO, false) != Passed::some)
                return;
        } else if (items[0].revents & (POLLHUP | POLLERR)) {
            return;
        }
        if (items[1].revents & (POLLIN | POLLHUP)) {
            const Passed passed = pass_on(STDIN_FILENO, tty, true);
            if (passed == Passed::at_escape || (passed == Passed::at_end && isatty(STDIN_FILENO)))
                return;
            input = passed == Passed::some; // a script's input has ended; what the guest says is still wanted
        }
        if (items[0].revents == 0 && !is_of_interest(session, domain, input))
            return;
    }
}

}

void attach_console(Session& session, DomId domain, unsigned number, const std::function<void()>& when_joined)
{
    const std::string path = wait_for_tty(session, domain, number);
    const dom0::Fd tty = open_tty(path);
    const RawTerminal terminal;
    if (when_joined)
        when_joined();
    converse(session, domain, tty.get());
}

}
