// What the kernel leaves to its first program: see system.hpp.

#include "dom0/init/system.hpp"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

namespace xylem::init {
namespace {

struct Mount {
    const char* type;
    const char* target;
    unsigned long flags;
    const char* options;
};

constexpr unsigned long plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
constexpr Mount mounts[] = {
    {"proc", "/proc", plain, ""},
    {"sysfs", "/sys", plain, ""},
    {"devtmpfs", "/dev", MS_NOSUID, "mode=0755"},
    {"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=0,mode=0620"},
    {"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, ""},
    {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"},
};

// Shells and Debian's hotplug scripts open /dev/fd and /dev/std*, which devtmpfs does not make.
constexpr const char* links[][2] = {
    {"/proc/self/fd", "/dev/fd"}, {"fd/0", "/dev/stdin"}, {"fd/1", "/dev/stdout"}, {"fd/2", "/dev/stderr"}};

constexpr const char* folders[] = {"/run/lock",    "/run/xen",           "/run/xenstored", "/var/lib",
                                   "/var/lib/xen", "/var/lib/xenstored", "/var/log/xen",   "/var/log/xen/console"};

void mount_one(const Mount& what)
{
    mkdir(what.target, 0755);
    if (mount(what.type, what.target, what.type, what.flags, what.options) != 0)
        say("%s does not mount: %s", what.target, std::strerror(errno));
}

}

void mount_file_systems()
{
    for (const Mount& each : mounts)
        mount_one(each);
    for (const auto& [target, name] : links)
        if (symlink(target, name) != 0 && errno != EEXIST)
            say("%s cannot be made: %s", name, std::strerror(errno));
    for (const char* folder : folders)
        mkdir(folder, 0755);
}

void mount_xenfs()
{
    mount_one({"xenfs", "/proc/xen", plain, ""});
}

void set_host_name(const std::string& name)
{
    if (sethostname(name.data(), name.size()) != 0)
        say("the host's name stays: %s", std::strerror(errno));
}

std::string kernel_word(std::string_view name)
{
    std::istringstream words(read_file("/proc/cmdline"));
    for (std::string word; words >> word;)
        if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=')
            return word.substr(name.size() + 1);
    return {};
}

std::string console_device()
{
    std::istringstream names(read_file("/sys/class/tty/console/active"));
    std::string last;
    for (std::string name; names >> name;)
        last = name; // the kernel lists the preferred one last
    return "/dev/" + (last.empty() ? "console" : last);
}

double uptime()
{
    timespec now{};
    clock_gettime(CLOCK_BOOTTIME, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void say(const char* format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    // One write a line, so that other programs' lines come before or after it but not within.
    dprintf(STDOUT_FILENO, "init: %6.2f s  %s\n", uptime(), text);
}

std::string read_file(const std::string& path)
{
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

}
