// What all backends do alike as services: tell when they are ready, write a pid file, end on SIGTERM, one error for a
// failed start.
#pragma once

#include "backends/lib/confine.hpp"
#include "backends/lib/event_loop.hpp"
#include "dom0/lib/program.hpp"

#include <string>

namespace xylem::backends {

class Service {
public:
    /// `needs` is what is left to the process when it serves.
    explicit Service(Needs needs) : needs_(std::move(needs)) {}

    /// Adds the options that every service has.
    void add_options(dom0::Command program);

    /// Runs `loop` until `begin_end` has been called, by a signal, and called back. `on_hangup` may be empty.
    void run(EventLoop& loop, std::function<void(EventLoop::Handler done)> begin_end, EventLoop::Handler on_hangup);

private:
    void announce() const;

    Needs needs_;
    std::string pid_file_;
    bool unconfined_ = false;
};

/// Parses options and runs `body`. @return the exit status: 1 with one sentence on stderr when `body` throws
int service_main(dom0::Program& program, int argc, char** argv, const std::function<void()>& body);

}
