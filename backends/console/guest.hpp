// One guest's console: its ring on one side, a terminal and a log file on the other.
#pragma once

#include "backends/console/ring.hpp"
#include "backends/console/terminal.hpp"
#include "backends/lib/budget.hpp"
#include "backends/lib/log.hpp"
#include "backends/lib/peer_memory.hpp"

#include <functional>

namespace xylem::backends::console {

/// A file that a guest's output is appended to. Keeps what it has when the guest is gone. A guest cannot fill the file
/// system: a log that has become too long gets ".1" behind its name, in the place of an older one, and a new one is
/// begun.
class LogFile {
public:
    LogFile() = default;
    /// Opens `path`; a failure is logged and nothing is written then: no guest stops for want of a log.
    /// @param limit  bytes, of each of the two; 0: none
    LogFile(std::string path, std::size_t limit);
    void write(std::string_view text);
    void reopen();

private:
    void begin_new();

    std::string path_;
    std::size_t limit_ = 0;
    std::size_t bytes_ = 0; ///< in the file
    dom0::Fd fd_;
};

struct GuestParts {
    EventLoop& loop;
    std::byte* page;      ///< the ring's; stays mapped as long as the guest object
    Terminal& terminal;   ///< may outlive the guest object, and be given to another
    std::string log_path; ///< empty: no log
    std::size_t log_limit;
    std::string name;                               ///< for our own log
    std::function<void(const char* why)> on_broken; ///< called by the guest object's own code: not to end it in place
};

class Guest {
public:
    explicit Guest(GuestParts parts);
    ~Guest();

    /// Events of `signal` call serve(), and are let through again by us.
    void set_signal(std::unique_ptr<PeerSignal> signal) { signal_ = std::move(signal); }
    void serve();

    void reopen_log() { log_.reopen(); }

private:
    void end_pause();
    void move_text();
    void take_output();
    void give_input();
    void break_connection(const char* why);

    GuestParts parts_;
    ConsoleRing ring_;
    std::unique_ptr<PeerSignal> signal_;
    LogFile log_;
    Budget budget_; ///< of events
    EventLoop::Timer pause_;
    bool broken_ = false;
};

}
