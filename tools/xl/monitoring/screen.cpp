// See screen.hpp.
//
// Signals are taken as events (signalfd), never in a handler: so the terminal is put back at one place, the end of
// Terminal's life, and a signal that ends us does so only behind it.
#include "tools/xl/monitoring/screen.hpp"

#include "dom0/lib/fd.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/monitoring/keys.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

using Clock = std::chrono::steady_clock;

/// How long the rest of an escape sequence may be on its way.
constexpr int sequence_ms = 50;

void write_all(std::string_view text)
{
    while (!text.empty()) {
        const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return; // the terminal has gone; reading it ends us
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

class Terminal {
public:
    Terminal()
    {
        const char* kind = std::getenv("TERM");
        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || (kind && std::string_view(kind) == "dumb"))
            fail("xl top draws on a terminal, which this is not; xl top --batch prints lines");
        if (tcgetattr(STDIN_FILENO, &before_) < 0)
            dom0::throw_errno("cannot read the terminal's settings");
        enter();
    }
    ~Terminal() { leave(); }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void enter()
    {
        termios raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        raw.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
        write_all("\033[?1049h\033[?25l"); // the other screen; no cursor
    }
    void leave()
    {
        write_all("\033[m\033[?25h\033[?1049l");
        tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    }

    static winsize size()
    {
        winsize size{};
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_row == 0 || size.ws_col == 0)
            size = {24, 80, 0, 0}; // a serial line does not know
        return size;
    }

private:
    termios before_{};
};

/// Those that concern a terminal are held back while it lives, and read from its descriptor.
class Signals {
public:
    Signals()
    {
        sigemptyset(&held_);
        for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP})
            sigaddset(&held_, signal);
        sigprocmask(SIG_BLOCK, &held_, &before_);
        fd_ = dom0::Fd(signalfd(-1, &held_, SFD_CLOEXEC | SFD_NONBLOCK));
        if (!fd_)
            dom0::throw_errno("cannot receive signals");
    }
    ~Signals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    int fd() const { return fd_.get(); }
    /// 0: none has come.
    int next()
    {
        signalfd_siginfo info{};
        return read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
    }

private:
    sigset_t held_{};
    sigset_t before_{};
    dom0::Fd fd_;
};

class Screen {
public:
    Screen(Session& session, View view, unsigned iterations)
        : session_(session), view_(std::move(view)), iterations_(iterations)
    {
    }

    /// @return the signal that ended it, 0 if the keyboard did or enough was shown
    int run()
    {
        for (;;) {
            if (Clock::now() >= due_)
                look();
            draw();
            if (iterations_ != 0 && shown_ == iterations_)
                return 0;
            if (!wait())
                return 0;
            if (const int signal = take_signals())
                return signal;
            if (take_keys() == Wish::quit)
                return 0;
        }
    }

private:
    void look()
    {
        before_ = std::move(now_);
        now_ = take_sample(session_, StoreDetail::none);
        due_ = Clock::now() + std::chrono::seconds(view_.delay_seconds);
        ++shown_;
    }
    void draw()
    {
        std::vector<Line> lines = summary_lines(*now_);
        for (Line& line : domain_lines(*now_, before_ ? &*before_ : nullptr, view_))
            lines.push_back(std::move(line));
        const winsize size = Terminal::size();
        write_all(frame_of(lines, key_line(view_), size.ws_row, size.ws_col));
    }
    /// @return false  the terminal has gone
    bool wait()
    {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(due_ - Clock::now()).count();
        const auto patience = static_cast<int>(std::max<long>(left, 0));
        pollfd waiting[] = {{STDIN_FILENO, POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
        poll(waiting, 2, typed_.empty() ? patience : std::min(patience, sequence_ms));
        return (waiting[0].revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
    }
    int take_signals()
    {
        for (int signal = signals_.next(); signal != 0; signal = signals_.next()) {
            if (signal == SIGTSTP)
                stop();
            else if (signal != SIGWINCH) // whose size draw() asks for
                return signal;
        }
        return 0;
    }
    /// Ctrl-Z: the shell finds its terminal as it left it.
    void stop()
    {
        terminal_.leave();
        raise(SIGSTOP);
        terminal_.enter();
    }
    Wish take_keys()
    {
        char bytes[64];
        const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
        if (count < 0 && errno != EINTR && errno != EAGAIN)
            return Wish::quit; // the terminal has gone
        const bool complete = count <= 0;
        if (count > 0)
            typed_.append(bytes, static_cast<std::size_t>(count));
        const unsigned delay = view_.delay_seconds;
        while (const auto key = take_key(typed_, complete))
            if (apply(*key, view_, now_->domains.size()) == Wish::quit)
                return Wish::quit;
        if (view_.delay_seconds != delay)
            due_ = Clock::now();
        return Wish::redraw;
    }

    Session& session_;
    View view_;
    unsigned iterations_;
    unsigned shown_ = 0;
    Clock::time_point due_ = Clock::now();
    std::optional<Sample> now_, before_;
    std::string typed_; ///< bytes that are no whole key yet
    Signals signals_;
    Terminal terminal_;
};

}

void watch_on_screen(Session& session, View view, unsigned iterations)
{
    if (const int signal = Screen(session, std::move(view), iterations).run())
        raise(signal); // no longer held back: it ends us as it would have
}

}
