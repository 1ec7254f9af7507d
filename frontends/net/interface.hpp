// A network interface: xenbus "vif", protocol netif (xen/include/public/io/netif.h).
//
//     Interface interface(kernel, 0, {}, {on_packet, context});
//     interface.begin();                       // NoEntry: there is no such interface
//     ... once interface.is_connected():
//     interface.send(packet);
//
// Packets are Ethernet frames. What is on its way when the backend goes is lost, as on a wire.
#pragma once

#include "frontends/net/queue.hpp"
#include "frontends/xenbus/frontend.hpp"

namespace xylem::frontends::net {

struct MacAddress {
    u8 bytes[6];
};
/// Six numbers of two hexadecimal digits with colons between.
std::optional<MacAddress> mac_in(const char* text);

struct InterfaceOptions {
    u32 queues = 2;
    u32 transmit_pages = 64, receive_pages = 64; ///< in each queue
    bool takes_blank = false;                    ///< packets may come with a blank checksum
};

/// Called for each packet that has come; must not wait. The packet is ours until it returns. A packet with a blank
/// checksum comes only to who takes_blank, or from a backend that does not keep to that.
struct PacketHandler {
    void (*on_packet)(void* context, std::span<const u8> packet, Checksum checksum);
    void* context;
};

class Interface : public Frontend {
public:
    Interface(Kernel& kernel, u32 number, InterfaceOptions options, PacketHandler handler)
        : Frontend(kernel, "vif", number, XenbusState::connected), options_(options), handler_(handler)
    {
    }
    ~Interface() override { let_go(); }

    const MacAddress& mac() const { return mac_; } ///< once it is connected
    u32 queues() const { return queue_count_; }
    /// Whether a packet may be sent with a blank checksum; once it is connected.
    bool fills_checksums() const { return fills_checksums_; }
    /// Packets that can be sent now, and those that are on their way out.
    u32 room() const;
    u32 on_the_way() const;

    /// Sends a packet; those of one `flow` (any number) stay in order.
    /// @return NotSupported  it is longer than a page, which this backend does not take; or has no checksum, which
    /// neither
    ///         Again         there is no room, or no connection, now: a network may lose a packet
    Result<void> send(std::span<const u8> packet, Checksum checksum = Checksum::complete, u32 flow = 0);

    struct Counters {
        u64 packets_in = 0, packets_out = 0, bytes_in = 0, bytes_out = 0, errors = 0;
    };
    Counters counters() const;

private:
    static constexpr u32 most_queues = 8;

    Result<void> offer() override;
    Result<void> connect() override;
    void let_go() override;

    Result<void> describe_queue(const Queue& queue, const char* prefix);
    static void on_event(void* self) { static_cast<Interface*>(self)->serve(); }
    static void on_packet(void* self, std::span<const u8> packet, Checksum checksum)
    {
        const PacketHandler& handler = static_cast<Interface*>(self)->handler_;
        handler.on_packet(handler.context, packet, checksum);
    }
    void serve();

    InterfaceOptions options_;
    PacketHandler handler_;
    MacAddress mac_{};
    bool split_events_ = false, scatter_ = false, fills_checksums_ = false;
    Queue* queues_[most_queues] = {};
    u32 queue_count_ = 0;
    Counters before_; // of earlier connections
};

}
