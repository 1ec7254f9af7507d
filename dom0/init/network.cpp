// Dom0's network: see network.hpp. Plain interface ioctls: few enough calls that netlink would not make them clearer.

#include "dom0/init/network.hpp"

#include "dom0/init/system.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/route.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xylem::init {
namespace {

/// A socket to ask the kernel's network stack through; each call names itself when it fails.
class Stack {
public:
    Stack() : m_socket(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
    ~Stack() { close(m_socket); }
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;

    template <typename T> bool ask(unsigned long request, T argument, const char* what)
    {
        if (ioctl(m_socket, request, argument) == 0)
            return true;
        say("network: %s: %s", what, std::strerror(errno));
        return false;
    }

    void up(const std::string& interface)
    {
        ifreq request = named(interface);
        if (!ask(SIOCGIFFLAGS, &request, interface.c_str()))
            return;
        request.ifr_flags |= IFF_UP;
        ask(SIOCSIFFLAGS, &request, interface.c_str());
    }

    void set_address(const std::string& interface, const std::string& address)
    {
        const auto slash = address.find('/');
        const int prefix = slash == std::string::npos ? 32 : std::atoi(address.c_str() + slash + 1);
        ifreq request = named(interface);
        request.ifr_addr = socket_address(address.substr(0, slash));
        if (!ask(SIOCSIFADDR, &request, address.c_str()))
            return;
        const auto mask = prefix <= 0 || prefix > 32 ? 0U : ~0U << (32 - prefix);
        request.ifr_netmask = socket_address(mask);
        ask(SIOCSIFNETMASK, &request, address.c_str());
    }

    /// Gives the bridge the address of `interface`, which may be itself, for good. Else it would take the lowest of its
    /// ports': that of all backends' ends of guests' wires, which the bridge of a driver domain has, too, and would
    /// take what is meant for us.
    void settle_address(const std::string& bridge, const std::string& interface)
    {
        ifreq request = named(interface);
        if (!ask(SIOCGIFHWADDR, &request, interface.c_str()))
            return;
        const sockaddr address = request.ifr_hwaddr;
        request = named(bridge);
        request.ifr_hwaddr = address;
        ask(SIOCSIFHWADDR, &request, bridge.c_str());
    }

    static ifreq named(const std::string& interface)
    {
        ifreq request{};
        interface.copy(request.ifr_name, IFNAMSIZ - 1);
        return request;
    }

    static sockaddr socket_address(const std::string& dotted)
    {
        in_addr parsed{};
        if (inet_pton(AF_INET, dotted.c_str(), &parsed) != 1)
            say("network: '%s' is no IPv4 address", dotted.c_str());
        return socket_address(ntohl(parsed.s_addr));
    }

    static sockaddr socket_address(in_addr_t address)
    {
        sockaddr_in internet{};
        internet.sin_family = AF_INET;
        internet.sin_addr.s_addr = htonl(address);
        sockaddr any{};
        static_assert(sizeof any == sizeof internet);
        std::memcpy(&any, &internet, sizeof any);
        return any;
    }

private:
    int m_socket;
};

/// A card of the machine is there with its module. One of a guest's appears a moment later, once its backend has
/// answered.
int index_of(const std::string& card)
{
    constexpr double patience = 5;
    const double deadline = uptime() + patience;
    for (;;) {
        const int index = static_cast<int>(if_nametoindex(card.c_str()));
        if (index != 0 || uptime() >= deadline)
            return index;
        usleep(20'000);
    }
}

}

void bring_up_bridge(const Bridge& bridge)
{
    Stack stack;
    stack.up("lo");
    if (!stack.ask(SIOCBRADDBR, bridge.name.c_str(), "no bridge can be made"))
        return;
    stack.settle_address(bridge.name, bridge.name);
    stack.set_address(bridge.name, bridge.address);
    stack.up(bridge.name);
}

void bring_up_card(const Bridge& bridge, const std::string& card, const std::string& address,
                   const std::string& gateway)
{
    Stack stack;
    ifreq port = Stack::named(bridge.name);
    port.ifr_ifindex = index_of(card);
    if (port.ifr_ifindex == 0) {
        say("network: no card %s: is its module in the image?", card.c_str());
        return;
    }
    stack.ask(SIOCBRADDIF, &port, card.c_str());
    stack.settle_address(bridge.name, card);
    stack.up(card);
    if (!address.empty())
        stack.set_address(bridge.name + ":0", address);
    if (gateway.empty())
        return;
    rtentry route{};
    route.rt_dst = Stack::socket_address(INADDR_ANY);
    route.rt_genmask = Stack::socket_address(INADDR_ANY);
    route.rt_gateway = Stack::socket_address(gateway);
    route.rt_flags = RTF_UP | RTF_GATEWAY;
    stack.ask(SIOCADDRT, &route, gateway.c_str());
}

}
