// One ring of a virtual disk, from the frontend's side.
//
// Data goes through pages that are granted once, when the queue is opened, and stay so ("persistent grants"): what the
// program reads is copied out of them after the response, what it writes is copied in before the request. So a backend
// never sees memory of the program's, may keep the pages mapped, and may write to them whenever it likes: it changes
// nothing that anybody has looked at.
#pragma once

#include "frontends/block/request.hpp"
#include "frontends/xenbus/client_ring.hpp"
#include "frontends/xenbus/kernel.hpp"
#include "hypervisor/abi/io/blkif.hpp"

#include <optional>

namespace xylem::frontends::block {

/// How large a queue is made.
struct QueueShape {
    u32 ring_pages = 1;  ///< a power of two
    u32 data_pages = 64; ///< for data under way, and for the descriptors of indirect requests
};

/// The most segments (pages) that one request of ours has.
inline constexpr u32 most_segments = 32;

class Queue {
public:
    /// `on_event` runs when the backend has answered something.
    Queue(Kernel& kernel, DomId backend, QueueShape shape, Kernel::Handler on_event, void* context)
        : kernel_(kernel), backend_(backend), shape_(shape), on_event_(on_event), context_(context)
    {
    }
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;
    ~Queue();

    Result<void> open();
    const GrantedPages& ring_pages() const { return ring_pages_; }
    Port port() const { return port_.port(); }
    /// How many segments a request may have: more than 11 only if the backend takes indirect requests.
    void set_segments(u32 segments) { segments_ = segments; }

    /// Takes the next piece of a request; publish() shows it to the backend. @return false  there is no room now
    bool start(IoRequest& request);
    void publish();

    /// The next piece that has ended: its request with `moved` brought up to date, or with an outcome if it went wrong.
    /// Null: none for now.
    IoRequest* take_ended();
    /// The backend broke the protocol: nothing is taken any more. The sentence is a literal.
    const char* complaint() const { return complaint_; }

    /// The oldest request in service, forgotten by the queue: for when the connection has ended. Null: none.
    IoRequest* take_back();

private:
    using Response = abi::io::BlkifResponse;
    using Ring = ClientRing<abi::io::BlkifRequest, Response>;

    /// A request in service; its id on the ring is its place in slots_.
    struct Slot {
        IoRequest* request = nullptr; // null: free
        u64 bytes = 0;                // of this piece
        u64 order = 0;                // when it was started
        u32 pages = 0;
        u16 page[most_segments + 1]; // of data_pages_; the one behind the data's holds the descriptors
    };

    u64 piece_of(const IoRequest& request) const;
    u16* pages_for_piece(Slot& slot, u32 pages, bool indirect);
    void copy(const Slot& slot, IoRequest::Kind direction);
    void push(u64 id, const Slot& slot);
    void push_indirect(u64 id, const Slot& slot);
    abi::io::BlkifRequestSegment segment(const Slot& slot, u32 number) const;
    Slot* slot_of(const Response& response);
    void finish(Slot& slot, abi::io::BlkifStatus status);
    void free(Slot& slot);

    Kernel& kernel_;
    DomId backend_;
    QueueShape shape_;
    Kernel::Handler on_event_;
    void* context_;
    GrantedPages ring_pages_, data_pages_;
    PeerPort port_;
    std::optional<Ring> ring_;
    Slot* slots_ = nullptr;     // as many as the ring has
    u16* free_pages_ = nullptr; // a stack
    u32 free_page_count_ = 0;
    u32 segments_ = abi::io::blkif_max_segments_per_request;
    u64 started_ = 0;
    const char* complaint_ = nullptr;
};

}
