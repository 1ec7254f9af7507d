// A guest's transmit ring: packets out of the guest's pages onto the link.
//
// A packet is a chain of slots: the first has the whole size, extras (segmentation) follow it, then one slot a further
// fragment. Chains are parsed from our copies of the requests; all packets of a batch are copied out of the guest by
// one call of the hypervisor, sent one by one, and answered together.
#pragma once

#include "backends/lib/budget.hpp"
#include "backends/lib/event_loop.hpp"
#include "backends/lib/log.hpp"
#include "backends/lib/peer_memory.hpp"
#include "backends/lib/ring.hpp"
#include "backends/net/link.hpp"
#include "backends/net/pages.hpp"
#include "hypervisor/abi/io/netif.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace xylem::backends::net {

/// What both directions work with. All but the ring outlive them.
struct QueueParts {
    EventLoop& loop;
    PeerMemory& memory;
    Link& link;
    std::string name; ///< for the log
    /// Wakes the guest for the direction's ring.
    std::function<void()> notify;
    /// Called once when the frontend broke the protocol; from within serve(): put off what destroys the queue.
    std::function<void(std::string why)> on_broken;
};

/// What a guest may send.
struct SendRules {
    std::optional<Budget> rate;          ///< in bytes of frames; what is beyond it waits in the ring
    std::optional<MacAddress> only_from; ///< frames from another address are dropped
};

class Transmit {
public:
    using Ring = ServerRing<abi::io::NetifTxRequest, abi::io::NetifTxResponse>;

    /// `rules` are the interface's, and outlive its queues.
    Transmit(QueueParts parts, MappedPages ring, SendRules& rules);
    ~Transmit() { *self_ = nullptr; }

    Ring& ring() { return ring_; }
    /// Sends what waits in the ring.
    void serve();
    void stop() { stopped_ = true; }

private:
    using Request = abi::io::NetifTxRequest;
    using Extra = abi::io::NetifExtraInfo;
    using Status = abi::io::NetifStatus;

    /// A packet of the batch in hand.
    struct Packet {
        std::size_t bytes; ///< of the frame
        u16 flags;
        Extra gso;        ///< of type none if there is no segmentation to do
        u32 first_answer; ///< in answers_
        u32 answers;
        u32 first_part; ///< in parts_ and copies_
        u32 parts;
        bool good;
    };
    /// What a slot of the ring will be answered: extras by "null", the others by their packet's fate.
    struct Answer {
        u16 id;
        bool extra;
    };

    bool collect();
    bool within_rate();
    bool allowed(Packet& packet);
    bool take_packet(u32& waiting);
    bool take_extras(const Request& first, u32& waiting, Packet& packet);
    bool take_fragments(const Request& first, u32& waiting, Packet& packet);
    void add_part(const Request& fragment, std::size_t bytes, Packet& packet);
    void send(Packet& packet);
    std::span<iovec> parts_of(const Packet& packet)
    {
        return std::span(parts_).subspan(packet.first_part, packet.parts);
    }
    void join_parts(Packet& packet);
    bool describe(Packet& packet, TapHeader& header);
    void answer();
    bool broken(const char* why);

    QueueParts with_;
    MappedPages shared_;
    Ring ring_;
    PageRun pages_;
    std::vector<Packet> packets_;
    std::vector<iovec> parts_; ///< each in a page of its own, as many as have been given out
    std::vector<std::byte> joined_;
    std::vector<Answer> answers_;
    std::vector<GrantCopy> copies_;
    SendRules& rules_;
    EventLoop::Timer pause_; ///< until the rate allows more
    bool stopped_ = false;
    LogLimit log_limit_;
    std::shared_ptr<Transmit*> self_ =
        std::make_shared<Transmit*>(this); // null for deferred work that outlives the queue
};

}
