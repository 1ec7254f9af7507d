// A pair of rings of a network interface, from the frontend's side: packets out, packets in.
//
// Each ring has its own pages, granted once for as long as the queue is open. A packet that is sent is copied into
// them, one that has come is copied out before anybody looks at it: the backend may write to a page at any time, and
// changes nothing that has been checked.
#pragma once

#include "frontends/xenbus/client_ring.hpp"
#include "frontends/xenbus/kernel.hpp"
#include "hypervisor/abi/io/netif.hpp"

#include <span>

namespace xylem::frontends::net {

/// The longest packet, headers and all.
inline constexpr u32 longest_packet = abi::io::netif_max_tx_size;

struct QueueShape {
    u32 transmit_pages = 64; ///< packets (of up to a page) on their way out; at most 256
    u32 receive_pages = 64;  ///< the same, in
    bool split_events = false;
};

/// What a packet's TCP or UDP checksum is like.
enum class Checksum {
    complete,  ///< there
    validated, ///< there, and the sender has looked at it
    blank,     ///< that of the pseudo-header only: the rest is for the other side, which may leave it if nobody looks
};

struct QueueHandlers {
    Kernel::Handler on_event; ///< the backend has done something
    void (*on_packet)(void* context, std::span<const u8> packet, Checksum checksum);
    void* context;
};

class Queue {
public:
    Queue(Kernel& kernel, DomId backend, QueueShape shape, QueueHandlers handlers)
        : kernel_(kernel), backend_(backend), shape_(shape), handlers_(handlers)
    {
    }
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue();

    Result<void> open();
    GrantRef transmit_ref() const { return transmit_ring_page_.ref(0); }
    GrantRef receive_ref() const { return receive_ring_page_.ref(0); }
    Port transmit_port() const { return transmit_port_.port(); }
    Port receive_port() const { return shape_.split_events ? receive_port_.port() : transmit_port_.port(); }

    /// Sends a packet, in one or more slots. @return Again  there is no room now
    Result<void> send(std::span<const u8> packet, Checksum checksum);
    u32 room() const { return free_count_; } ///< packets of up to a page that can be sent now

    /// Takes what was sent back, hands over what has come, and gives the backend room for more.
    void serve();
    /// The backend broke the protocol; a literal.
    const char* complaint() const { return complaint_; }

    u64 packets_in = 0, packets_out = 0, bytes_in = 0, bytes_out = 0, errors = 0;

private:
    using TransmitRing = ClientRing<abi::io::NetifTxRequest, abi::io::NetifTxResponse>;
    using ReceiveRing = ClientRing<abi::io::NetifRxRequest, abi::io::NetifRxResponse>;

    template <typename Ring, typename Response>
    void serve_ring(Ring& ring, const char* runs_ahead, void (Queue::*take)(const Response&));
    void take_sent(const abi::io::NetifTxResponse& response);
    void take_received(const abi::io::NetifRxResponse& response);
    void end_packet();
    void post(u16 id);
    void post_all();

    Kernel& kernel_;
    DomId backend_;
    QueueShape shape_;
    QueueHandlers handlers_;
    GrantedPages transmit_ring_page_, receive_ring_page_, transmit_pages_, receive_pages_;
    PeerPort transmit_port_, receive_port_;
    std::optional<TransmitRing> transmit_;
    std::optional<ReceiveRing> receive_;
    // A page's number is the id of the request that it is in.
    u16* free_pages_ = nullptr; // of transmit_pages_, a stack
    u32 free_count_ = 0;
    bool* sent_ = nullptr;   // by id: on its way out
    bool* posted_ = nullptr; // by id: the backend may fill it
    u8* packet_ = nullptr;   // what has come so far of the packet that comes now
    u32 packet_bytes_ = 0;
    bool packet_bad_ = false; // part of it was lost
    Checksum packet_checksum_ = Checksum::complete;
    const char* complaint_ = nullptr;
};

}
