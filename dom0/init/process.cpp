// Starts the init's children: see process.hpp.

#include "dom0/init/process.hpp"

#include "dom0/init/system.hpp"
#include "dom0/lib/keeper_protocol.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <sstream>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace xylem::init {
namespace {

constexpr const char* notify_path = "/run/xylem-init.notify";

sockaddr_un unix_address(const std::string& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

/// The socket calls take every family's address under this one type.
const sockaddr* generic(const sockaddr_un& address)
{
    return reinterpret_cast<const sockaddr*>(&address);
}

/// What children are allowed, where that differs from us.
std::optional<rlimit> usual_files;

void redirect(int input, int output)
{
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
}

[[noreturn]] void execute(const std::vector<std::string>& command)
{
    std::vector<char*> arguments;
    for (const std::string& word : command)
        arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    dprintf(STDERR_FILENO, "%s cannot be run: %s\n", arguments[0], std::strerror(errno));
    _exit(127);
}

pid_t start(const std::vector<std::string>& command, const std::function<void()>& set_up)
{
    const pid_t pid = fork();
    if (pid < 0)
        say("no process for %s: %s", command[0].c_str(), std::strerror(errno));
    if (pid != 0)
        return pid;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    setsid();
    if (usual_files)
        setrlimit(RLIMIT_NOFILE, &*usual_files);
    set_up();
    execute(command);
}

}

int take_signals()
{
    sigset_t ours;
    sigemptyset(&ours);
    for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2})
        sigaddset(&ours, signal);
    sigprocmask(SIG_BLOCK, &ours, nullptr);
    return signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);
}

int make_notify_socket()
{
    const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const sockaddr_un address = unix_address(notify_path);
    const int yes = 1;
    if (socket < 0 || bind(socket, generic(address), sizeof address) != 0 ||
        setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) != 0)
        say("%s cannot be made: %s", notify_path, std::strerror(errno));
    setenv("NOTIFY_SOCKET", notify_path, 1);
    return socket;
}

std::optional<pid_t> next_ready_notification(int socket)
{
    for (;;) {
        char text[4096];
        alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))];
        iovec piece{text, sizeof text};
        msghdr message{};
        message.msg_iov = &piece;
        message.msg_iovlen = 1;
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        const ssize_t length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        if (length < 0)
            return {};
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (header == nullptr || header->cmsg_type != SCM_CREDENTIALS)
            continue;
        ucred sender{};
        std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
        std::istringstream lines(std::string(text, static_cast<size_t>(length)));
        for (std::string line; std::getline(lines, line);)
            if (line == "READY=1")
                return sender.pid;
    }
}

std::string log_path(const Service& service)
{
    return "/var/log/xen/" + service.name + ".log";
}

pid_t start_service(const Service& service, int keeper_channel)
{
    return start(service.command, [&] {
        if (keeper_channel >= 0) {
            fcntl(keeper_channel, F_SETFD, 0);
            setenv(dom0::keeper_variable, std::to_string(keeper_channel).c_str(), 1);
        }
        const int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
        const int output = open(log_path(service).c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        redirect(input, output);
    });
}

pid_t start_on_console(const std::vector<std::string>& command)
{
    return start(command, [] {
        const int console = open(console_device().c_str(), O_RDWR | O_CLOEXEC);
        if (console < 0)
            return; // keep what we have: the kernel's /dev/console
        ioctl(console, TIOCSCTTY, 1);
        redirect(console, console);
    });
}

void allow_many_files()
{
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    if (!usual_files)
        usual_files = files;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

bool takes_connections(const std::string& socket_path)
{
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = unix_address(socket_path);
    const bool connected = connect(socket, generic(address), sizeof address) == 0;
    close(socket);
    return connected;
}

}
