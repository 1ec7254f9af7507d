// A virtual disk: xenbus "vbd", protocol blkif (xen/include/public/io/blkif.h).
//
//     Disk disk(kernel, 51712, {});
//     disk.begin();                       // NoEntry: there is no such disk
//     ... once disk.is_connected():
//     disk.submit(request);               // request.outcome tells, and request.on_done is called
//
// Requests may be submitted at any time, also while the backend is away: they wait for it, and what was in service when
// it went is asked again. on_done must not wait. They are not ordered among each other; a flush covers the writes that
// had ended before it was submitted. A disk whose backend breaks the protocol is closed, and its requests fail.
#pragma once

#include "frontends/block/queue.hpp"
#include "frontends/xenbus/frontend.hpp"

namespace xylem::frontends::block {

/// What a frontend would like at the most; the backend may have less.
struct DiskOptions {
    u32 queues = 4;
    u32 ring_page_order = 0; ///< rings of 2^order pages
    u32 data_pages = 64;     ///< in each queue
};

/// What the backend says of the disk, once it is connected.
struct Geometry {
    u64 sectors = 0; ///< of 512 bytes
    u32 sector_bytes = 512;
    bool read_only = false;
    bool flushes = false; ///< otherwise what is written is safe when it is done
    bool discards = false;
};

class Disk : public Frontend {
public:
    Disk(Kernel& kernel, u32 number, DiskOptions options)
        : Frontend(kernel, "vbd", number, XenbusState::initialised), options_(options)
    {
    }
    ~Disk() override { let_go(); }

    /// Of the present connection.
    const Geometry& geometry() const { return geometry_; }
    u32 queues() const { return queue_count_; }
    u32 segments() const { return segments_; } ///< pages that go in one request of the ring

    /// Starts a request, or lets it wait. One that cannot be right fails at once.
    void submit(IoRequest& request);

private:
    static constexpr u32 most_queues = 16;

    Result<void> offer() override;
    Result<void> connect() override;
    void let_go() override;

    Result<void> open_queues(u32 count, QueueShape shape);
    Result<void> describe_queue(const Queue& queue, const char* prefix, u32 ring_page_order);
    static void on_event(void* self) { static_cast<Disk*>(self)->serve(); }
    void serve();
    void start_waiting();
    bool start(IoRequest& request);
    bool can_be(const IoRequest& request) const;
    void end(IoRequest& request, IoRequest::Outcome outcome);

    DiskOptions options_;
    Geometry geometry_;
    u32 segments_ = 0;
    Queue* queues_[most_queues] = {};
    u32 queue_count_ = 0;
    u32 next_queue_ = 0;
    RequestList waiting_;
};

}
