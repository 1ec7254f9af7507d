// See serve.hpp: an ordered list of steps.
#include "xenstore/daemon/serve.hpp"

#include "dom0/lib/fd.hpp"
#include "dom0/lib/notify.hpp"
#include "xenstore/client/client.hpp"
#include "xenstore/daemon/daemon.hpp"
#include "xenstore/daemon/live_update.hpp"

#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

[[noreturn]] void give_up(const std::string& why)
{
    fmt::print(stderr, "xenstored: {}\n", why);
    std::exit(1);
}

[[noreturn]] void give_up_with_errno(const std::string& what)
{
    give_up(what + ": " + std::generic_category().message(errno));
}

bool somebody_answers(const std::string& path)
{
    try {
        Client probe(path);
        return true;
    } catch (const StoreError&) {
        return false;
    }
}

int listen_on(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        give_up("the socket's path is too long: " + path + " has more than " +
                std::to_string(sizeof address.sun_path - 1) + " bytes; see $XENSTORED_PATH");
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    std::error_code ignored; // bind tells
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
    if (somebody_answers(path))
        give_up("another xenstored serves " + path + " already; the store of a host can have but one");
    unlink(path.c_str());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const mode_t mask = umask(0177); // root alone
    if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 || listen(fd, 128) < 0)
        give_up_with_errno("cannot listen on " + path);
    umask(mask);
    return fd;
}

/// The parent returns from its caller's view only when the daemon serves, so that what is started after us finds it.
/// @return the pipe's end on which to tell the parent so
int go_to_background()
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        give_up_with_errno("pipe");
    const pid_t child = fork();
    if (child < 0)
        give_up_with_errno("fork");
    if (child > 0) {
        close(ends[1]);
        char verdict = 1;
        _exit(read(ends[0], &verdict, 1) == 1 ? verdict : 1);
    }
    close(ends[0]);
    setsid();
    return ends[1];
}

/// Standard error stays if the log is there.
void leave_terminal(const Options& options)
{
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    dup2(null, 0);
    dup2(null, 1);
    if (!options.log_file.empty())
        dup2(null, 2);
    if (chdir("/") < 0)
        give_up_with_errno("chdir /");
}

void write_pid(const Options& options)
{
    if (options.prints_pid)
        fmt::print("{}\n", getpid());
    std::fflush(stdout);
    if (options.pid_file.empty())
        return;
    std::ofstream file(options.pid_file);
    file << getpid() << '\n';
    if (!file.flush())
        give_up("cannot write the process id to " + options.pid_file + ": " + std::generic_category().message(errno));
}

/// What a keeper gave us, if there is one.
std::unique_ptr<KeptDoorway> find_keeper()
{
    const char* number = std::getenv(dom0::keeper_variable);
    if (!number)
        return nullptr;
    const int channel = std::atoi(number);
    fcntl(channel, F_SETFD, FD_CLOEXEC);
    return std::make_unique<KeptDoorway>(channel);
}

/// Every client is one.
void allow_many_files()
{
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

int run(const Options& options, const MakeDomains& make_domains)
{
    Log log;
    if (!options.log_file.empty() && !log.open(options.log_file).ok())
        give_up_with_errno("cannot write the log to " + options.log_file);
    const int parent = options.in_foreground || has_taken_over() ? -1 : go_to_background();
    allow_many_files();
    const std::string path = socket_path();
    const std::unique_ptr<KeptDoorway> kept = find_keeper();
    std::optional<OwnDoorway> own;
    if (!kept)
        own.emplace(listen_on(path));
    Doorway& doorway = kept ? static_cast<Doorway&>(*kept) : *own;
    Journal journal(kept ? kept->memory() : memfd_create("xenstored", MFD_CLOEXEC));
    if (kept && journal.has_foreign_state()) {
        log.line("the state that was kept is of another version: beginning anew");
        kept->forget_kept();
    }
    const bool resumes = journal.has_state();
    const dom0::Fd signals = dom0::take_signals({SIGTERM, SIGINT, SIGHUP});
    const std::unique_ptr<Domains> domains = options.has_domains ? make_domains() : nullptr;
    Daemon daemon(options, log, journal, doorway, domains.get());
    write_pid(options);
    if (parent >= 0) {
        leave_terminal(options);
        const char served = 0;
        (void)!write(parent, &served, 1);
        close(parent);
    }
    dom0::notify_supervisor("READY=1");
    log.line("{} {}{}", resumes ? "serving again" : "serving", path, options.has_domains ? "" : ", no domains");
    daemon.run(signals.get());
    log.line("stopping");
    if (!kept)
        unlink(path.c_str());
    if (!options.pid_file.empty())
        unlink(options.pid_file.c_str());
    return 0;
}

}

int serve(int argc, char** argv, const MakeDomains& make_domains)
{
    const ParsedOptions parsed = parse_options(argc, argv);
    if (!parsed.options)
        return parsed.exit_status;
    try {
        return run(*parsed.options, make_domains);
    } catch (const std::exception& error) {
        fmt::print(stderr, "xenstored: {}\n", error.what());
        return 1;
    }
}

}
