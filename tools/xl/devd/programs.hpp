// The backends as xl devd's children: each is started when there is a device for it, and again whenever it ends.
#pragma once

#include "backends/lib/event_loop.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <sys/types.h>

namespace xylem::xl {

class BackendPrograms {
public:
    /// `folder` is where the programs lie.
    BackendPrograms(backends::EventLoop& loop, std::filesystem::path folder);
    /// Does not wait for those that still run: see end().
    ~BackendPrograms() = default;
    BackendPrograms(const BackendPrograms&) = delete;
    BackendPrograms& operator=(const BackendPrograms&) = delete;

    /// The program that serves devices of a kind, which may not be there.
    std::filesystem::path program_for(const std::string& kind) const;
    /// Has it run from now on.
    /// @return false  there is none
    bool provide(const std::string& kind);
    /// To be called when a child has ended (SIGCHLD).
    void reap();
    /// Has them all finish what they have begun; calls `done` when none runs any more. One that takes too long is
    /// killed.
    void end(backends::EventLoop::Handler done);

private:
    using Clock = backends::EventLoop::Clock;

    struct Program {
        std::filesystem::path path;
        pid_t pid = 0; ///< 0: it does not run
        Clock::time_point since;
        Clock::duration pause{}; ///< before the next start
        backends::EventLoop::Timer start_again;
    };

    void start(Program& program);
    void ended(Program& program, int status);
    void finish_if_none_runs();

    backends::EventLoop& loop_;
    std::filesystem::path folder_;
    std::map<std::string, Program> programs_; ///< by kind
    backends::EventLoop::Handler on_end_;
    backends::EventLoop::Timer too_long_;
};

}
