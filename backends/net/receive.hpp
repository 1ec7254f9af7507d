// A guest's receive ring: packets from the link into the pages that the guest has posted.
//
// A packet takes one slot a page of data, and one more if it is to be segmented by whoever forwards it. Packets are
// read from the link while slots last; all of a batch are copied into the guest by one call of the hypervisor. A packet
// for which there are not enough slots waits, and behind it the link's queue.
#pragma once

#include "backends/net/transmit.hpp"

namespace xylem::backends::net {

/// What the frontend can take.
struct Offload {
    bool scatter = false; ///< packets of several slots
    bool checksum_ipv4 = false;
    bool checksum_ipv6 = false;
    bool segments_ipv4 = false;
    bool segments_ipv6 = false;

    bool checksum() const { return checksum_ipv4 || checksum_ipv6; }
};

class Receive {
public:
    using Ring = ServerRing<abi::io::NetifRxRequest, abi::io::NetifRxResponse>;

    Receive(QueueParts parts, MappedPages ring, Offload offload);
    ~Receive() { *self_ = nullptr; }

    Ring& ring() { return ring_; }
    /// Delivers what waits on the link: called when something arrived there, and when the guest has posted pages.
    void serve();
    void stop() { stopped_ = true; }

private:
    using Response = abi::io::NetifRxResponse;

    /// A packet of the batch: its responses are in answers_, one copy for each but the extra.
    struct Packet {
        u32 first_answer;
        u32 answers;
        u32 first_copy;
        u32 copies;
    };

    bool deliver_batch();
    bool next_packet();
    bool room_for_packet();
    std::span<std::byte> frame() const { return pages_.from(at_).first(waiting_bytes_); }
    u32 slots_needed() const;
    bool is_segmented() const { return header_.gso_type != TapHeader::gso_none; }
    bool acceptable() const;
    u16 checksum_flags();
    Response extra_slot() const;
    void place_packet();
    void finish_batch();

    QueueParts with_;
    MappedPages shared_;
    Ring ring_;
    Offload offload_;
    PageRun pages_;
    std::size_t at_ = 0;            ///< the page where the next packet goes, or lies if it waits
    std::size_t waiting_bytes_ = 0; ///< of a frame that was read and not delivered yet; 0 if there is none
    TapHeader header_{};            ///< its header
    std::vector<Packet> packets_;
    std::vector<Response> answers_;
    std::vector<GrantCopy> copies_;
    bool stopped_ = false;
    std::shared_ptr<Receive*> self_ =
        std::make_shared<Receive*>(this); // null for deferred work that outlives the queue
};

}
