// Keeps dom0's services running: see supervisor.hpp.

#include "dom0/init/supervisor.hpp"

#include "dom0/init/process.hpp"
#include "dom0/init/system.hpp"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <system_error>

#include <linux/reboot.h>
#include <poll.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::init {
namespace {

constexpr double first_pause = 0.1;
constexpr double longest_pause = 10;
constexpr double ran_well = 30;
constexpr double time_to_get_ready = 60;
constexpr double time_to_end = 5;
constexpr int look_for_paths_every_ms = 20;
constexpr const char* rc_local = "/etc/rc.local";

std::string upper(std::string text)
{
    for (char& c : text)
        c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

std::string how_it_ended(int status)
{
    if (WIFSIGNALED(status))
        return std::string("killed by ") + strsignal(WTERMSIG(status));
    return "exit status " + std::to_string(WEXITSTATUS(status));
}

}

Supervisor::Supervisor(const Configuration& configuration)
    : m_configuration(configuration), m_deadline(uptime() + time_to_get_ready), m_signals(take_signals()),
      m_notifications(make_notify_socket())
{
    for (const Service& service : configuration.services)
        m_services.push_back({.service = service});
}

void Supervisor::run()
{
    for (;;) {
        start_what_can();
        check_paths();
        follow_start();
        std::vector<pollfd> waiting = {{m_signals, POLLIN, 0}, {m_notifications, POLLIN, 0}};
        for (const Running& each : m_services)
            if (each.keeper)
                each.keeper->add_to(waiting);
        poll(waiting.data(), waiting.size(), milliseconds_to_wait());
        for (const Running& each : m_services)
            if (each.keeper)
                each.keeper->serve();
        if (waiting[1].revents != 0)
            read_notifications(); // before reap(): a oneshot may say READY=1 and end at once
        if (waiting[0].revents != 0)
            handle_signals();
    }
}

int Supervisor::milliseconds_to_wait() const
{
    double until = m_console == Console::nothing ? m_deadline : uptime() + 3600;
    for (const Running& each : m_services) {
        const bool by_path = each.service.readiness == Readiness::socket || each.service.readiness == Readiness::file;
        if (each.state == State::starting && by_path)
            return look_for_paths_every_ms;
        if (each.state == State::pausing)
            until = std::min(until, each.since + each.pause);
    }
    return static_cast<int>(std::max(0.0, until - uptime()) * 1000) + 1;
}

bool Supervisor::may_start(const Running& running) const
{
    if (running.state == State::pausing)
        return uptime() >= running.since + running.pause;
    if (running.state != State::waiting)
        return false;
    return std::ranges::all_of(running.service.after, [&](const std::string& name) {
        return std::ranges::any_of(m_services, [&](const Running& other) {
            return other.service.name == name && other.state == State::ready;
        });
    });
}

void Supervisor::start_what_can()
{
    for (Running& each : m_services)
        if (may_start(each))
            start(each);
}

void Supervisor::start(Running& running)
{
    if (running.service.readiness == Readiness::file)
        unlink(running.service.ready_path.c_str()); // left by one that ended: it would answer for its successor
    const int keeper_channel = connect_keeper(running);
    running.pid = start_service(running.service, keeper_channel);
    if (keeper_channel >= 0)
        close(keeper_channel);
    running.state = State::starting;
    running.since = uptime();
    if (running.service.readiness == Readiness::started)
        became_ready(running);
}

/// @return the service's end of the channel to its keeper, -1 if it has none
int Supervisor::connect_keeper(Running& running)
try {
    if (running.service.kept_socket.empty())
        return -1;
    if (!running.keeper) {
        allow_many_files();
        running.keeper = std::make_unique<Keeper>(running.service.kept_socket);
    }
    return running.keeper->connect_service();
} catch (const std::system_error& error) {
    say("%s starts without a keeper: %s", running.service.name.c_str(), error.what());
    return -1;
}

void Supervisor::became_ready(Running& running)
{
    say("%s ready", running.service.name.c_str());
    running.state = State::ready;
}

void Supervisor::check_paths()
{
    for (Running& each : m_services) {
        if (each.state != State::starting)
            continue;
        const bool ready = each.service.readiness == Readiness::socket ? takes_connections(each.service.ready_path)
                           : each.service.readiness == Readiness::file
                               ? access(each.service.ready_path.c_str(), F_OK) == 0
                               : false;
        if (ready)
            became_ready(each);
    }
    start_what_can();
}

void Supervisor::read_notifications()
{
    while (const auto pid = next_ready_notification(m_notifications)) {
        Running* running = by_pid(*pid);
        if (running != nullptr && running->state == State::starting &&
            running->service.readiness == Readiness::notified)
            became_ready(*running);
    }
}

void Supervisor::handle_signals()
{
    signalfd_siginfo info{};
    while (read(m_signals, &info, sizeof info) == sizeof info) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            reap();
            break;
        case SIGUSR1:
            shut_down(RB_HALT_SYSTEM);
        case SIGUSR2:
            shut_down(RB_POWER_OFF);
        default:
            shut_down(RB_AUTOBOOT); // SIGTERM from reboot(8), SIGINT from the kernel for Ctrl-Alt-Del
        }
    }
}

void Supervisor::reap()
{
    int status = 0;
    for (pid_t pid = waitpid(-1, &status, WNOHANG); pid > 0; pid = waitpid(-1, &status, WNOHANG)) {
        if (Running* running = by_pid(pid))
            service_ended(*running, status);
        else if (pid == m_console_pid)
            console_ended();
    }
}

Supervisor::Running* Supervisor::by_pid(pid_t pid)
{
    const auto found = std::ranges::find_if(m_services, [&](const Running& each) { return each.pid == pid; });
    return found == m_services.end() ? nullptr : &*found;
}

void Supervisor::service_ended(Running& running, int status)
{
    running.pid = 0;
    if (running.service.readiness == Readiness::exited && status == 0) {
        became_ready(running);
        return;
    }
    const bool was_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    const bool well = was_killed || (running.state == State::ready && uptime() - running.since >= ran_well);
    running.pause = well || running.pause == 0 ? first_pause : std::min(running.pause * 2, longest_pause);
    running.state = State::pausing;
    running.since = uptime();
    say("%s ended (%s), starts again in %.1f s; see %s", running.service.name.c_str(), how_it_ended(status).c_str(),
        running.pause, log_path(running.service).c_str());
}

bool Supervisor::all_ready() const
{
    return std::ranges::all_of(m_services, [](const Running& each) { return each.state == State::ready; });
}

void Supervisor::follow_start()
{
    if (!m_said_ready && all_ready()) {
        dprintf(STDOUT_FILENO, "XYLEM-%s-READY\n",
                upper(m_configuration.host_name).c_str()); // late, too: whoever waits for it has what it waits for
        m_said_ready = true;
    }
    if (m_console != Console::nothing)
        return;
    if (!m_said_ready) {
        if (uptime() < m_deadline)
            return;
        for (const Running& each : m_services)
            if (each.state != State::ready)
                say("%s is not ready after %.0f s; see %s", each.service.name.c_str(), time_to_get_ready,
                    log_path(each.service).c_str());
    }
    start_console(access(rc_local, R_OK) == 0 ? Console::rc_local : Console::shell);
}

void Supervisor::start_console(Console what)
{
    if (what == Console::shell && m_console != Console::shell)
        dprintf(STDOUT_FILENO, "\n%s\n", m_configuration.banner.c_str());
    m_console = what;
    m_console_since = uptime();
    if (what == Console::shell)
        m_console_pid = start_on_console({"/bin/sh", "-l"});
    else
        m_console_pid = start_on_console(access(rc_local, X_OK) == 0 ? std::vector<std::string>{rc_local}
                                                                     : std::vector<std::string>{"/bin/sh", rc_local});
}

void Supervisor::console_ended()
{
    // A shell that cannot run at all must not be started in a tight loop.
    if (m_console == Console::shell && uptime() - m_console_since < first_pause)
        usleep(static_cast<useconds_t>(first_pause * 1e6));
    start_console(Console::shell);
}

void Supervisor::end_services()
{
    for (const Running& each : m_services)
        if (each.pid > 0)
            kill(each.pid, SIGTERM);
    const double until = uptime() + time_to_end;
    const auto alive = [](const Running& each) { return each.pid > 0; };
    while (uptime() < until && std::ranges::any_of(m_services, alive)) {
        usleep(look_for_paths_every_ms * 1000);
        for (pid_t pid = waitpid(-1, nullptr, WNOHANG); pid > 0; pid = waitpid(-1, nullptr, WNOHANG))
            if (Running* running = by_pid(pid))
                running->pid = 0;
    }
}

void Supervisor::shut_down(int command)
{
    say("shutting down");
    end_services();
    kill(-1, SIGKILL);
    sync();
    reboot(command);
    for (;;)
        pause();
}

}
