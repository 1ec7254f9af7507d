// See linux_backend.hpp.
#include "tools/xl/linux_backend.hpp"

#include "dom0/lib/fd.hpp"
#include "tools/xl/failure.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace xylem::xl {

using namespace std::chrono_literals;

namespace {

constexpr auto patience = 5s; // less than a toolstack's for a backend

struct LinuxDriver {
    const char* kind;
    const char* module;
};
constexpr std::array<LinuxDriver, 2> drivers{{{"vbd", "xen-blkback"}, {"vif", "xen-netback"}}};

const std::string bus = "/sys/bus/xen-backend";

std::string folder_of(const std::string& kind)
{
    return bus + "/drivers/" + kind;
}

bool bus_probes()
{
    char answer = '1';
    std::ifstream(bus + "/drivers_autoprobe") >> answer;
    return answer != '0';
}

/// @return 0, or the error's number
int write_to(const std::string& path, const std::string& text)
{
    const dom0::Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file)
        return errno;
    const ssize_t written = write(file.get(), text.data(), text.size());
    return written < 0 ? errno : written == static_cast<ssize_t>(text.size()) ? 0 : EIO;
}

/// Whether it has done what it was told shows in the driver's folder alone.
void run_modprobe(const char* module)
{
    std::string name = "modprobe";
    std::string quiet = "-q";
    std::string what = module;
    char* const arguments[] = {name.data(), quiet.data(), what.data(), nullptr};
    pid_t child = 0;
    if (posix_spawnp(&child, name.c_str(), nullptr, nullptr, arguments, environ) != 0)
        return;
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
}

void load(const LinuxDriver& driver)
{
    if (linux_driver_is_loaded(driver.kind))
        return;
    if (access(bus.c_str(), F_OK) != 0)
        fail("this kernel has no backends of its own: there is no {}", bus);
    for (const LinuxDriver& other : drivers)
        if (linux_driver_is_loaded(other.kind) && bus_probes())
            fail("the module {} cannot be loaded now: with {}, which takes up all that it finds, it would take what "
                 "others serve",
                 driver.module, other.module);
    if (const int error = write_to(bus + "/drivers_autoprobe", "0"))
        fail("cannot write {}/drivers_autoprobe: {}", bus, std::strerror(error));
    run_modprobe(driver.module);
    if (!linux_driver_is_loaded(driver.kind))
        fail("this kernel has no driver for it: the module {} does not load", driver.module);
}

/// Linux learns of devices by a watch of its own.
void wait_for(const std::string& device)
{
    using Clock = std::chrono::steady_clock;
    for (const Clock::time_point deadline = Clock::now() + patience; access(device.c_str(), F_OK) != 0;) {
        if (Clock::now() >= deadline)
            fail("Linux did not see it within {} s: there is no {}", std::chrono::seconds(patience).count(), device);
        std::this_thread::sleep_for(10ms);
    }
}

}

bool linux_driver_is_loaded(const std::string& kind)
{
    return access(folder_of(kind).c_str(), F_OK) == 0;
}

bool linux_takes_all(const std::string& kind)
{
    return linux_driver_is_loaded(kind) && bus_probes();
}

void bind_to_linux(const std::string& kind, DomId guest, u32 number)
{
    for (const LinuxDriver& driver : drivers) {
        if (driver.kind != kind)
            continue;
        load(driver);
        const std::string name = fmt::format("{}-{}-{}", kind, guest.value, number);
        const std::string device = bus + "/devices/" + name;
        wait_for(device);
        if (access((device + "/driver").c_str(), F_OK) == 0)
            return;
        if (const int error = write_to(folder_of(kind) + "/bind", name); error != 0 && error != EBUSY)
            fail("Linux's driver {} does not take it: {}", driver.module, std::strerror(error));
        return;
    }
    fail("Linux has no backend of its own for devices of type '{}'", kind);
}

}
