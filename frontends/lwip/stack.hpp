// TCP/IP for a small guest: lwIP on a network interface of ours.
//
//     lwip::Stack stack(driver_kernel(), 0);              // of vif 0
//     stack.begin(*lwip::settings_in("dhcp"), "name");    // NoEntry: there is no such interface
//     wait_until([&] { return stack.is_up(); }, ...);
//     tcp_new(), tcp_bind(), ...                          // lwIP's raw API, <lwip/tcp.h>
//
// A program that includes this is linked with lwIP. There is one stack a guest, for lwIP's state is global. What lwIP
// calls back runs in an event handler or in the stack's own task, never at the same time as anything else of the first
// vCPU, and must not wait; a task may call lwIP at any time, and must not wait in between what belongs together.
#pragma once

#include "frontends/lwip/settings.hpp"
#include "frontends/net/interface.hpp"

#include <lwip/netif.h>

namespace xylem::lwip {

class Stack {
public:
    Stack(frontends::Kernel& kernel, u32 number);
    Stack(const Stack&) = delete;
    Stack& operator=(const Stack&) = delete;

    /// `hostname` is what a DHCP server is told; a literal, or null.
    /// @return NoEntry  there is no such interface
    Result<void> begin(const Settings& settings, const char* hostname);
    /// Whether there is a backend, and an address.
    bool is_up() const { return added_ && netif_is_link_up(&netif_) && !ip4_addr_isany(netif_ip4_addr(&netif_)); }
    /// In lwIP's order of bytes: the first is lowest.
    u32 address() const { return ip4_addr_get_u32(netif_ip4_addr(&netif_)); }
    /// Gives up address and interface, and waits a while for the backend to let go. The stack ends with it: whatever of
    /// lwIP's is still there must not be used.
    void close();

    const frontends::net::Interface& interface() const { return interface_; }
    u64 packets_dropped() const { return packets_dropped_; } ///< that came, and for which there was no memory

private:
    static void on_packet(void* self, std::span<const u8> packet, frontends::net::Checksum checksum)
    {
        static_cast<Stack*>(self)->take(packet, checksum);
    }
    static err_t initialise(netif* netif);
    static err_t output(netif* netif, pbuf* packet);
    static void run(void* self) { static_cast<Stack*>(self)->serve(); }

    void serve();
    void follow_link();
    void add();
    void choose_checksums(frontends::net::Checksum of_packet);
    void take(std::span<const u8> packet, frontends::net::Checksum checksum);
    err_t send(const pbuf& packet);

    frontends::net::Interface interface_;
    Settings settings_;
    const char* hostname_ = nullptr;
    netif netif_{};
    bool added_ = false, ends_ = false;
    u64 packets_dropped_ = 0;
};

}
