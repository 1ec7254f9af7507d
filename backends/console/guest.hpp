// One guest's console: its ring on one side, a pty and a log file on the other.
#pragma once

#include "backends/console/budget.hpp"
#include "backends/console/pty.hpp"
#include "backends/console/ring.hpp"
#include "backends/lib/log.hpp"
#include "backends/lib/peer_memory.hpp"

#include <functional>

namespace xylem::backends::console {

/// A file that a guest's output is appended to. Keeps what it has when the guest is gone.
class LogFile {
public:
    LogFile() = default;
    /// Opens `path`; a failure is logged and nothing is written then: no guest stops for want of a log.
    explicit LogFile(std::string path);
    void write(std::string_view text);
    void reopen();

private:
    std::string path_;
    dom0::Fd fd_;
};

struct GuestParts {
    EventLoop& loop;
    std::byte* page;      ///< the ring's; stays mapped as long as the guest object
    std::size_t limit;    ///< of the backlog
    std::string log_path; ///< empty: no log
    std::string name;     ///< for our own log
    std::function<void()> on_broken;
};

class Guest {
public:
    explicit Guest(GuestParts parts);

    /// Events of `signal` call serve(), and are let through again by us.
    void set_signal(std::unique_ptr<PeerSignal> signal) { signal_ = std::move(signal); }
    void serve();

    const std::string& tty() const { return pty_.path(); }
    void reopen_log() { log_.reopen(); }

private:
    void take_output();
    void give_input();
    void break_connection(const char* why);

    GuestParts parts_;
    ConsoleRing ring_;
    std::unique_ptr<PeerSignal> signal_;
    LogFile log_;
    Pty pty_;
    EventBudget budget_;
    EventLoop::Timer pause_;
    bool broken_ = false;
};

}
