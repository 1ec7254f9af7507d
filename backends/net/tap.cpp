// See tap.hpp.
#include "backends/net/tap.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

// <net/if.h> and <linux/if.h> cannot be had together.
extern "C" unsigned int if_nametoindex(const char* name);

namespace xylem::backends::net {

/// The address of all our ends of guests' wires, as Xen's own backend has it: high, so that a bridge does not take it
/// for its own.
static constexpr MacAddress backend_address{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff};

static std::runtime_error failed(const std::string& name, const std::string& what)
{
    return std::runtime_error(fmt::format("interface {}: cannot {}: {}", name, what, std::strerror(errno)));
}

static ifreq request_for(const std::string& name)
{
    ifreq request{};
    if (name.empty() || name.size() >= sizeof request.ifr_name)
        throw std::runtime_error(fmt::format("interface {}: a name has 1 to 15 characters", name));
    name.copy(request.ifr_name, name.size());
    return request;
}

Tap::Tap(EventLoop& loop, TapConfig config, EventLoop::Handler on_arrival) : config_(std::move(config))
{
    create();
    configure();
    arrivals_ = loop.watch_readable(fd_.get(), std::move(on_arrival));
    listen(false);
}

void Tap::create()
{
    fd_ = dom0::Fd(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
    if (!fd_)
        throw std::runtime_error(
            fmt::format("cannot open /dev/net/tun: {} (is the module tun loaded?)", std::strerror(errno)));
    ifreq request = request_for(config_.name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd_.get(), TUNSETIFF, &request) == 0)
        return;
    if (errno == EBUSY || errno == EEXIST || errno == EINVAL)
        throw InterfaceBusy(fmt::format("interface {}: the name is taken by another interface", config_.name));
    throw failed(config_.name, "create it");
}

void Tap::configure()
{
    const dom0::Fd control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = request_for(config_.name);
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, backend_address.data(), backend_address.size());
    if (ioctl(control.get(), SIOCSIFHWADDR, &request) < 0)
        throw failed(config_.name, "set its address");

    request = request_for(config_.name);
    request.ifr_mtu = static_cast<int>(config_.mtu);
    if (ioctl(control.get(), SIOCSIFMTU, &request) < 0)
        throw failed(config_.name, fmt::format("set its MTU to {}", config_.mtu));

    if (!config_.bridge.empty()) {
        ifreq bridge = request_for(config_.bridge);
        bridge.ifr_ifindex = static_cast<int>(if_nametoindex(config_.name.c_str()));
        if (if_nametoindex(config_.bridge.c_str()) == 0)
            throw std::runtime_error(
                fmt::format("interface {}: there is no bridge {}; make it (ip link add {} type bridge) or name another "
                            "one in the guest's vif",
                            config_.name, config_.bridge, config_.bridge));
        if (ioctl(control.get(), SIOCBRADDIF, &bridge) < 0)
            throw failed(config_.name, fmt::format("join the bridge {}", config_.bridge));
    }

    request = request_for(config_.name);
    if (ioctl(control.get(), SIOCGIFFLAGS, &request) < 0)
        throw failed(config_.name, "read its flags");
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    if (ioctl(control.get(), SIOCSIFFLAGS, &request) < 0)
        throw failed(config_.name, "bring it up");
    if (config_.routed)
        dom0::route_interface(config_.name, *config_.routed);
}

void Tap::set_offload(const Offload& offload)
{
    unsigned flags = 0;
    if (offload.checksum())
        flags |= TUN_F_CSUM;
    if (offload.segments_ipv4 && offload.scatter)
        flags |= TUN_F_TSO4 | TUN_F_TSO_ECN;
    if (offload.segments_ipv6 && offload.scatter)
        flags |= TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (!(flags & TUN_F_CSUM))
        flags = 0; // segments without checksum offload make no sense to the kernel
    if (ioctl(fd_.get(), TUNSETOFFLOAD, flags) < 0)
        throw failed(config_.name, "set its offloads");
}

void Tap::drain()
{
    std::byte scrap[256];
    for (int i = 0; i < 4096 && read(fd_.get(), scrap, sizeof scrap) > 0; ++i) {
    }
}

bool Tap::send(std::span<const iovec> parts)
{
    return writev(fd_.get(), parts.data(), static_cast<int>(parts.size())) > 0;
}

std::size_t Tap::receive(TapHeader& header, std::span<std::byte> frame)
{
    const iovec parts[] = {{&header, sizeof header}, {frame.data(), frame.size()}};
    const ssize_t bytes = readv(fd_.get(), parts, 2);
    if (bytes < 0 && errno != EAGAIN && errno != EINTR && std::exchange(alive_, false)) {
        // Somebody deleted it. Its descriptor would be "ready" for ever.
        log("interface {}: it has gone: {}", config_.name, std::strerror(errno));
        arrivals_ = {};
    }
    return bytes > static_cast<ssize_t>(sizeof header) ? static_cast<std::size_t>(bytes) - sizeof header : 0;
}

void Tap::listen(bool on)
{
    if (std::exchange(listening_, on) != on && alive_)
        arrivals_.enable(on);
}

}
