// See devd.hpp.
#include "tools/xl/devd/devd.hpp"

#include "backends/lib/log.hpp"
#include "backends/lib/xen_store.hpp"
#include "dom0/lib/notify.hpp"
#include "tools/xl/devd/linux_hotplug.hpp"
#include "tools/xl/devd/programs.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/linux_backend.hpp"
#include "tools/xl/paths.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace xylem::xl {

using backends::log;

namespace {

constexpr const char* run_folder = "/run/xylem";
constexpr const char* log_path = "/var/log/xen/xldevd.log"; // Debian's name for it

std::filesystem::path own_folder()
{
    return std::filesystem::read_symlink("/proc/self/exe").parent_path();
}

/// Two would start each backend twice.
dom0::Fd take_lock()
{
    std::filesystem::create_directories(run_folder);
    const std::string path = std::string(run_folder) + "/devd.lock";
    dom0::Fd file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file)
        fail("cannot open {}: {}", path, std::strerror(errno));
    if (flock(file.get(), LOCK_EX | LOCK_NB) < 0)
        fail("another xl devd runs in this domain already: it holds {}", path);
    return file;
}

DomId own_domain(backends::Store& store)
{
    const auto id = read_number(store, "domid");
    if (!id || *id >= first_reserved_domid)
        fail("cannot learn this domain's id from the store: there is no node 'domid'");
    const DomId domain(static_cast<u16>(*id));
    if (domain == dom0_id)
        fail("this is domain 0, whose supervisor keeps the backends; xl devd is for a driver domain, a guest that "
             "serves "
             "others' devices");
    return domain;
}

class PidFile {
public:
    explicit PidFile(std::string path) : path_(std::move(path))
    {
        if (!path_.empty() && !(std::ofstream(path_) << getpid() << '\n' << std::flush))
            fail("cannot write the pid file {}: {}", path_, std::strerror(errno));
    }
    ~PidFile()
    {
        if (!path_.empty())
            unlink(path_.c_str());
    }
    PidFile(const PidFile&) = delete;
    PidFile& operator=(const PidFile&) = delete;

private:
    std::string path_;
};

/// Serves until it is told to end. `on_ready` is called when nothing can fail any more.
void serve(const std::string& pid_path, const std::function<void()>& on_ready)
{
    const dom0::Fd lock = take_lock();
    backends::EventLoop loop;
    backends::XenStore store(loop);
    const DomId self = own_domain(store);
    const dom0::Fd signals = dom0::take_signals({SIGTERM, SIGINT, SIGCHLD});
    const PidFile pid_file(pid_path);
    BackendPrograms programs(loop, own_folder());
    const auto provide = [&](const std::string& kind) {
        if (linux_takes_all(kind))
            return Provision::linux;
        return programs.provide(kind) ? Provision::ours : Provision::nobody;
    };
    const ServedDevices devices(loop, store, self,
                                {provide, [&](const ServedDevice& device) { set_up_for_linux(store, device); }});
    const backends::EventLoop::Watch watch = loop.watch_readable(signals.get(), [&] {
        signalfd_siginfo info;
        while (read(signals.get(), &info, sizeof info) == sizeof info)
            if (info.ssi_signo == SIGCHLD)
                programs.reap();
            else
                programs.end([&loop] { loop.stop(); });
    });
    log("ready, in domain {}", self.value);
    on_ready();
    loop.run();
    log("ended");
}

/// The end of a pipe by which a detached process says how its start went: an empty line for well, or what is wrong.
class StartReport {
public:
    explicit StartReport(dom0::Fd end) : end_(std::move(end)) {}
    void say(const std::string& text)
    {
        if (!end_)
            return;
        const std::string line = text + "\n";
        dom0::write_all(end_.get(), std::as_bytes(std::span(line)));
        end_ = dom0::Fd();
    }

private:
    dom0::Fd end_;
};

[[noreturn]] void run_detached(const std::string& pid_file, int log_fd, StartReport report)
{
    setsid();
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(null, STDIN_FILENO);
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    try {
        if (chdir("/") < 0)
            dom0::throw_errno("cannot leave the working directory");
        serve(pid_file, [&] { report.say(""); });
    } catch (const std::exception& error) {
        log("{}", error.what());
        report.say(error.what());
        _exit(1);
    }
    _exit(0);
}

std::string read_line(int fd)
{
    std::string text;
    char byte = 0;
    for (ssize_t got; (got = read(fd, &byte, 1)) != 0 && byte != '\n';)
        if (got > 0)
            text += byte;
        else if (errno != EINTR)
            break;
    return byte == '\n' ? text : "it ended without a word; " + std::string(log_path) + " may tell why";
}

void start_detached(const std::string& pid_file)
{
    std::filesystem::create_directories(std::filesystem::path(log_path).parent_path());
    const dom0::Fd log_file(open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!log_file)
        fail("cannot open the log {}: {}", log_path, std::strerror(errno));
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) < 0)
        dom0::throw_errno("no pipe");
    const dom0::Fd from(ends[0]);
    dom0::Fd to(ends[1]);
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0)
        fail("cannot start xl devd's process: {}", std::strerror(errno));
    if (child == 0)
        run_detached(pid_file, log_file.get(), StartReport(std::move(to)));
    to = dom0::Fd();
    if (const std::string error = read_line(from.get()); !error.empty())
        fail("{}", error);
    explain("xl devd runs as process {}, and writes to {}", child, log_path);
}

}

void run_devd(const DevdOptions& options)
{
    if (options.in_foreground)
        return serve(options.pid_file, [] { dom0::notify_supervisor("READY=1"); });
    // A relative path is the caller's.
    start_detached(options.pid_file.empty() ? "" : std::filesystem::absolute(options.pid_file).string());
}

}
