// See programs.hpp.
#include "tools/xl/devd/programs.hpp"

#include "backends/lib/log.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::xl {

using backends::log;
using namespace std::chrono_literals;

namespace {

constexpr auto first_pause = 100ms;
constexpr auto longest_pause = 10s;
constexpr auto ran_well = 30s;
constexpr auto patience = 5s;

std::string how_it_ended(int status)
{
    if (WIFSIGNALED(status))
        return std::string("killed by ") + strsignal(WTERMSIG(status));
    return fmt::format("exit status {}", WEXITSTATUS(status));
}

/// Waits until no other process runs this program for an xl devd, and holds that for as long as it is run: the lock
/// goes with the last process that has the file open.
void await_turn(const std::filesystem::path& program)
{
    const int file = open(program.c_str(), O_RDONLY); // stays open when the program is executed
    while (file >= 0 && flock(file, LOCK_EX) < 0 && errno == EINTR) {
    }
}

/// In the child. It ends with us, in an orderly way: what it serves is then for those whom our successor starts. Those
/// wait for its end, as two must never serve one device.
[[noreturn]] void become(const std::filesystem::path& program, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent) {
        await_turn(program);
        unsetenv("NOTIFY_SOCKET"); // its supervisor is ours, and waits for us alone
        execl(program.c_str(), program.filename().c_str(), nullptr);
    }
    _exit(127);
}

}

BackendPrograms::BackendPrograms(backends::EventLoop& loop, std::filesystem::path folder)
    : loop_(loop), folder_(std::move(folder))
{
}

std::filesystem::path BackendPrograms::program_for(const std::string& kind) const
{
    const std::string what = kind == "vbd" ? "blk" : kind == "vif" ? "net" : kind;
    return folder_ / fmt::format("xylem-{}back", what);
}

bool BackendPrograms::provide(const std::string& kind)
{
    if (programs_.contains(kind))
        return true;
    const std::filesystem::path path = program_for(kind);
    if (access(path.c_str(), X_OK) < 0)
        return false;
    Program& program = programs_[kind];
    program.path = path;
    start(program);
    return true;
}

void BackendPrograms::start(Program& program)
{
    if (on_end_)
        return;
    program.since = Clock::now();
    const pid_t parent = getpid();
    program.pid = fork();
    if (program.pid == 0)
        become(program.path, parent);
    if (program.pid < 0) {
        log("{}: cannot be started: {}", program.path.filename().string(), std::strerror(errno));
        program.pid = 0;
        program.start_again = loop_.after(longest_pause, [this, &program] { start(program); });
        return;
    }
    log("{}: started as process {}", program.path.filename().string(), program.pid);
}

void BackendPrograms::reap()
{
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (auto& [kind, program] : programs_)
            if (program.pid == pid)
                ended(program, status);
}

/// One that was killed is not to blame, and starts again after the shortest pause.
void BackendPrograms::ended(Program& program, int status)
{
    program.pid = 0;
    if (on_end_)
        return finish_if_none_runs();
    const bool is_fine =
        Clock::now() - program.since >= ran_well || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    program.pause = is_fine ? Clock::duration(first_pause)
                            : std::clamp<Clock::duration>(2 * program.pause, first_pause, longest_pause);
    log("{}: {}; it starts again in {} ms", program.path.filename().string(), how_it_ended(status),
        std::chrono::duration_cast<std::chrono::milliseconds>(program.pause).count());
    program.start_again = loop_.after(program.pause, [this, &program] { start(program); });
}

void BackendPrograms::end(backends::EventLoop::Handler done)
{
    if (on_end_)
        return;
    on_end_ = std::move(done);
    for (auto& [kind, program] : programs_)
        if (program.pid > 0)
            kill(program.pid, SIGTERM);
    too_long_ = loop_.after(patience, [this] {
        for (auto& [kind, program] : programs_)
            if (program.pid > 0)
                kill(program.pid, SIGKILL);
    });
    finish_if_none_runs();
}

void BackendPrograms::finish_if_none_runs()
{
    for (const auto& [kind, program] : programs_)
        if (program.pid > 0)
            return;
    too_long_.cancel();
    loop_.defer(on_end_);
}

}
