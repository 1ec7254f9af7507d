// Keeps dom0's services running, and gives the console to rc.local and then to a shell.
//
// One process, one loop: it sleeps in poll() on signals (a child ended, somebody asks for power-off), on the socket by
// which services say that they are ready, and on the nearest deadline. A service that ends is started again after a
// pause that doubles from 0.1 s to 10 s and falls back once it has run for 30 s. Its output goes to
// /var/log/xen/NAME.log. One that was killed (SIGKILL) is not to blame and starts again after the shortest pause.
#pragma once

#include "dom0/init/configuration.hpp"
#include "dom0/init/keeper.hpp"

#include <deque>
#include <memory>
#include <string>

#include <sys/types.h>

namespace xylem::init {

class Supervisor {
public:
    explicit Supervisor(const Configuration& configuration);

    /// Never returns: ends with the machine.
    [[noreturn]] void run();

private:
    enum class State { waiting, starting, ready, pausing };

    struct Running {
        const Service& service;
        State state = State::waiting;
        pid_t pid = 0;
        double since = 0; // when its state began
        double pause = 0; // before the next start
        std::unique_ptr<Keeper> keeper = nullptr;
    };

    enum class Console { nothing, rc_local, shell };

    void start_what_can();
    bool may_start(const Running& running) const;
    void start(Running& running);
    int connect_keeper(Running& running);
    void became_ready(Running& running);
    void check_paths();
    void read_notifications();
    void reap();
    void service_ended(Running& running, int status);
    void console_ended();
    void follow_start();
    void start_console(Console what);
    void handle_signals();
    [[noreturn]] void shut_down(int command);
    void end_services();
    bool all_ready() const;
    Running* by_pid(pid_t pid);
    int milliseconds_to_wait() const;

    const Configuration& m_configuration;
    std::deque<Running> m_services;
    Console m_console = Console::nothing;
    pid_t m_console_pid = 0;
    double m_console_since = 0;
    bool m_said_ready = false;
    double m_deadline; // by then the console is given away, ready or not
    int m_signals;
    int m_notifications;
};

}
