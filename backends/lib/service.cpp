// See service.hpp.
#include "backends/lib/service.hpp"

#include "backends/lib/log.hpp"
#include "dom0/lib/notify.hpp"

#include <csignal>
#include <cstdio>
#include <fstream>
#include <sys/signalfd.h>
#include <unistd.h>

namespace xylem::backends {

void Service::add_options(dom0::Command program)
{
    program.add_option("--pid-file", pid_file_, "write this process's number here once it is ready");
    program.add_flag("--unconfined", unconfined_, "keep all capabilities and system calls, as for a debugger");
}

void Service::announce() const
{
    if (!pid_file_.empty() && !(std::ofstream(pid_file_) << getpid() << '\n'))
        throw std::runtime_error(fmt::format("cannot write the pid file {}", pid_file_));
    dom0::notify_supervisor("READY=1");
    log("ready");
}

void Service::run(EventLoop& loop, std::function<void(EventLoop::Handler done)> begin_end, EventLoop::Handler on_hangup)
{
    const dom0::Fd signals = dom0::take_signals({SIGTERM, SIGINT, SIGHUP});
    signal(SIGPIPE, SIG_IGN);
    bool ending = false;
    const auto on_signal = [&] {
        signalfd_siginfo info;
        while (read(signals.get(), &info, sizeof info) == sizeof info) {
            if (info.ssi_signo == SIGHUP && on_hangup)
                on_hangup();
            else if (info.ssi_signo != SIGHUP && !std::exchange(ending, true))
                begin_end([&loop] { loop.stop(); });
        }
    };
    const EventLoop::Watch watch = loop.watch_readable(signals.get(), on_signal);
    if (!unconfined_)
        confine(needs_);
    announce();
    loop.run();
    dom0::notify_supervisor("STOPPING=1");
    if (!pid_file_.empty())
        unlink(pid_file_.c_str());
    log("ended");
}

int service_main(dom0::Program& program, int argc, char** argv, const std::function<void()>& body)
{
    if (const std::optional<int> end = program.parse({argv + 1, argv + argc}, 1))
        return *end;
    try {
        body();
        return 0;
    } catch (const std::exception& error) {
        log("{}", error.what());
        return 1;
    }
}

}
