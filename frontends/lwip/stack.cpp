// See stack.hpp.

#include "frontends/lwip/stack.hpp"

#include "frontends/guest/guest.hpp"
#include "frontends/guest/tasks.hpp"
#include "frontends/guest/time.hpp"
#include "frontends/lwip/pseudo_checksum.hpp"

#include <lwip/dhcp.h>
#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

namespace xylem::lwip {

using frontends::net::Checksum;
using guest::millisecond, guest::second;

namespace {

constexpr u16 mtu = 1500;
constexpr size_t longest_frame = mtu + SIZEOF_ETH_HDR;

/// With one queue, the order of packets is kept without a thought.
constexpr frontends::net::InterfaceOptions options{
    .queues = 1, .transmit_pages = 128, .receive_pages = 128, .takes_blank = true};

constexpr u16 looked_at = NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP;
constexpr u16 made = NETIF_CHECKSUM_GEN_TCP | NETIF_CHECKSUM_GEN_UDP;

}

Stack::Stack(frontends::Kernel& kernel, u32 number) : interface_(kernel, number, options, {on_packet, this}) {}

Result<void> Stack::begin(const Settings& settings, const char* hostname)
{
    settings_ = settings;
    hostname_ = hostname;
    lwip_init();
    TRY(interface_.begin());
    return guest::start_task(run, this) ? Result<void>() : Error::NoMemory;
}

void Stack::close()
{
    if (added_) {
        dhcp_release_and_stop(&netif_);
        netif_set_down(&netif_);
    }
    ends_ = true;
    interface_.close();
    guest::wait_until([&] { return interface_.is_closed(); }, guest::system_time() + 5 * second);
}

/// The task that runs lwIP's timers and looks after the link. Packets come by event; each ends the wait here too, so
/// that a timer that it starts is seen.
void Stack::serve()
{
    while (!ends_) {
        follow_link();
        sys_check_timeouts();
        const u32 milliseconds = sys_timeouts_sleeptime();
        guest::wait_for_something(
            milliseconds == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? 0 : guest::system_time() + milliseconds * millisecond);
    }
}

void Stack::follow_link()
{
    const bool connected = interface_.is_connected();
    if (connected && !added_)
        add();
    if (!added_ || connected == (netif_is_link_up(&netif_) != 0))
        return;
    if (connected) {
        choose_checksums(Checksum::complete);
        netif_set_link_up(&netif_);
    } else {
        netif_set_link_down(&netif_);
    }
    guest::something_happened(); // who waits for an address may have it now
}

/// Those of the transport are left to the backend where it makes them, and not looked at in a packet for which another
/// did. (What is `blank` has not left this machine.)
void Stack::choose_checksums(Checksum of_packet)
{
    u16 flags = NETIF_CHECKSUM_ENABLE_ALL;
    if (interface_.fills_checksums())
        flags &= static_cast<u16>(~made);
    if (of_packet != Checksum::complete)
        flags &= static_cast<u16>(~looked_at);
    NETIF_SET_CHECKSUM_CTRL(&netif_, flags);
}

/// The backend is there for the first time. lwIP hears of the link afterwards, and begins to ask for an address then.
void Stack::add()
{
    const ip4_addr_t address{settings_.address}, netmask{settings_.netmask}, gateway{settings_.gateway};
    if (!netif_add(&netif_, &address, &netmask, &gateway, this, initialise, ethernet_input))
        xylem_lwip_failed("netif_add() refuses the interface", __FILE__, __LINE__);
    added_ = true;
    netif_set_hostname(&netif_, hostname_);
    netif_set_default(&netif_);
    netif_set_up(&netif_);
    if (settings_.dhcp && dhcp_start(&netif_) != ERR_OK)
        xylem_lwip_failed("dhcp_start() has no memory", __FILE__, __LINE__);
}

err_t Stack::initialise(netif* netif)
{
    const Stack& self = *static_cast<Stack*>(netif->state);
    netif->name[0] = 'e';
    netif->name[1] = 'n';
    netif->output = etharp_output;
    netif->linkoutput = output;
    netif->mtu = mtu;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    __builtin_memcpy(netif->hwaddr, self.interface_.mac().bytes, ETH_HWADDR_LEN);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

void Stack::take(std::span<const u8> packet, Checksum checksum)
{
    if (!added_ || packet.size() > longest_frame) // no backend sends longer ones: none was asked for
        return;
    pbuf* const copy = pbuf_alloc(PBUF_RAW, static_cast<u16>(packet.size()), PBUF_POOL);
    if (!copy) {
        ++packets_dropped_;
        return;
    }
    pbuf_take(copy, packet.data(), static_cast<u16>(packet.size()));
    choose_checksums(checksum);
    if (netif_.input(copy, &netif_) != ERR_OK)
        pbuf_free(copy);
}

err_t Stack::output(netif* netif, pbuf* packet)
{
    return static_cast<Stack*>(netif->state)->send(*packet);
}

/// What lwIP is told to be short of memory it sends again soon; what has no connection is lost.
err_t Stack::send(const pbuf& packet)
{
    static u8 frame[longest_frame];
    if (packet.tot_len > sizeof frame)
        return ERR_BUF;
    pbuf_copy_partial(&packet, frame, packet.tot_len, 0);
    const std::span<u8> bytes{frame, packet.tot_len};
    const bool blank = interface_.fills_checksums() && write_pseudo_checksum(bytes);
    const auto sent = interface_.send(bytes, blank ? Checksum::blank : Checksum::complete);
    if (sent.ok())
        return ERR_OK;
    return interface_.is_connected() ? ERR_MEM : ERR_IF;
}

}

extern "C" u32_t sys_now()
{
    return static_cast<u32_t>(xylem::guest::system_time() / xylem::guest::millisecond);
}

extern "C" void xylem_lwip_failed(const char* what, const char* file, int line)
{
    xylem::guest::print("lwIP: {}:{}: {}\n", file, line, what);
    xylem::guest::shut_down(xylem::abi::ShutdownReason::crash);
}
