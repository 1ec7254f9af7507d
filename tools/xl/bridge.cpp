// See bridge.hpp.
#include "tools/xl/bridge.hpp"

#include "dom0/lib/fd.hpp"
#include "dom0/lib/routed_interface.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/linux_backend.hpp"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace xylem::xl {

using namespace std::chrono_literals;

namespace {

ifreq request_for(const std::string& name)
{
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

void call(int socket, unsigned long number, ifreq& request, const char* what)
{
    if (ioctl(socket, number, &request) < 0)
        fail("cannot {} interface '{}': {}", what, request.ifr_name, std::strerror(errno));
}

/// The address that a bridge never takes for its own, being the highest.
void set_neutral_address(int socket, const std::string& name)
{
    static constexpr unsigned char neutral[6] = {0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    ifreq request = request_for(name);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, neutral, sizeof neutral);
    call(socket, SIOCSIFHWADDR, request, "set the address of");
}

/// Whether there is such an interface, and the kernel's backend made it: a tap has tun_flags.
bool is_linux_backend_interface(const std::string& name)
{
    const std::string base = "/sys/class/net/" + name;
    return access(base.c_str(), F_OK) == 0 && access((base + "/tun_flags").c_str(), F_OK) != 0;
}

/// Renames the interface, joins it to the bridge (empty: to none), and brings it up.
void set_up_interface(const std::string& name, const std::string& final_name, const std::string& bridge)
{
    const dom0::Fd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket_fd)
        fail("cannot open a socket to set up interface '{}': {}", name, std::strerror(errno));
    const int fd = socket_fd.get();
    if (final_name != name) {
        ifreq rename = request_for(name);
        final_name.copy(rename.ifr_newname, IFNAMSIZ - 1);
        call(fd, SIOCSIFNAME, rename, "rename");
    }
    set_neutral_address(fd, final_name);

    if (!bridge.empty()) {
        ifreq member = request_for(bridge);
        member.ifr_ifindex = static_cast<int>(if_nametoindex(final_name.c_str()));
        call(fd, SIOCBRADDIF, member, "join an interface to");
    }

    ifreq up = request_for(final_name);
    call(fd, SIOCGIFFLAGS, up, "look at");
    up.ifr_flags = static_cast<short>(up.ifr_flags | IFF_UP);
    call(fd, SIOCSIFFLAGS, up, "bring up");
}

/// Its state changes shortly before its interface is there.
bool wait_for_interface(const std::string& name)
{
    using Clock = std::chrono::steady_clock;
    for (const Clock::time_point deadline = Clock::now() + 2s; !is_linux_backend_interface(name);) {
        if (Clock::now() >= deadline)
            return false;
        std::this_thread::sleep_for(10ms);
    }
    return true;
}

}

bool set_up_linux_vif(DomId guest, u32 number, const std::function<std::string(const char* name)>& node)
{
    const std::string name = fmt::format("vif{}.{}", guest.value, number);
    if (!linux_driver_is_loaded("vif") || !wait_for_interface(name))
        return false;
    const std::string wanted = node("vifname");
    const std::string final_name = wanted.empty() ? name : wanted;
    set_up_interface(name, final_name, node("bridge"));
    if (dom0::is_routing_script(node("script")))
        dom0::route_interface(final_name, {node("gatewaydev"), dom0::parse_networks(node("ip"))});
    return true;
}

}
