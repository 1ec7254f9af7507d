// One ring of a virtual disk: takes the guest's requests, moves their data between the disk and granted pages, answers.
//
// Data moves in one of two ways. A frontend with persistent grants reuses its pages: they stay mapped (GrantPool), and
// the disk reads and writes them in place, or we copy where the disk would hold them beyond our end. Any other
// frontend's data is copied by the hypervisor to or from a buffer of ours, which leaves no mapping that outlives the
// request (the frontend may then take its page back at once).
//
// Requests run in parallel; answers go out in order (ring.hpp says why), all that are ready under one notification.
#pragma once

#include "backends/block/buffers.hpp"
#include "backends/block/limits.hpp"
#include "backends/block/request.hpp"
#include "backends/lib/event_loop.hpp"
#include "backends/lib/grant_pool.hpp"
#include "backends/lib/log.hpp"
#include "backends/lib/peer_memory.hpp"
#include "backends/lib/ring.hpp"
#include "dom0/lib/disk_counters.hpp"

#include <memory>
#include <string>

namespace xylem::backends::block {

enum class Grants { copied, persistent };

/// What a queue works with. All but `ring` outlive it.
struct QueueParts {
    EventLoop& loop;
    PeerMemory& memory;
    Disk& disk;
    Limits& limits;
    dom0::DiskCounters& counters;
    MappedPages ring;
    Grants grants;
    std::string name; ///< for the log
    /// Called once, from the loop, when the frontend broke the protocol so that the device must be closed.
    EventLoop::Handler on_broken;
    /// Called, once taking has stopped, when nothing is in service any more.
    EventLoop::Handler on_idle;
};

class Queue : private DescriptorSource {
public:
    explicit Queue(QueueParts parts);
    ~Queue() override;

    /// Who is to be woken by answers; set before the first serve().
    void set_signal(std::unique_ptr<PeerSignal> signal) { signal_ = std::move(signal); }

    /// The first backend of a connection starts it; the next one, after a restart, resumes it.
    void start() { ring_.start(); }
    void resume();

    /// Serves what the frontend has asked for: on an event, and whenever room came free.
    void serve();

    /// No request is in service. One that was taken and waits counts as not begun: a successor takes it again.
    bool idle() const { return in_flight_ == 0; }
    /// Takes no further requests; those in service finish and are answered.
    void stop_taking() { taking_ = false; }

private:
    class Transfer;
    using Raw = abi::io::BlkifRequest;
    using Response = abi::io::BlkifResponse;
    using Status = abi::io::BlkifStatus;
    enum class Attached { yes, refused, no_room };

    bool take_waiting();
    bool within_limits();
    void serve_rounds();
    void admit(const Raw& raw, u32 index);
    bool try_start(Transfer& transfer);

    bool fetch(std::span<const GrantRef> pages, std::span<abi::io::BlkifRequestSegment> out) override;
    Attached attach_memory(Transfer& transfer);
    Attached attach_segment(Transfer& transfer, const Segment& segment);
    void detach_memory(Transfer& transfer);
    bool copy_buffered(Transfer& transfer);

    void finished(Transfer& transfer, int error);
    void count(const Transfer& transfer, bool good);
    void answer(Transfer& transfer, Status status);
    void serve_soon();
    void publish();
    void break_connection(const char* why);

    QueueParts parts_;
    OrderedRing<Raw, Response> ring_;
    std::unique_ptr<PeerSignal> signal_;
    GrantPool pool_;
    PageBuffers buffers_;
    std::vector<std::unique_ptr<Transfer>> transfers_; // by ring index
    std::vector<GrantCopy> copies_;                    // scratch
    Transfer* held_ =
        nullptr; // taken, but must wait: for memory or, a barrier, for those before it. None is taken after it
    u32 in_flight_ = 0;
    EventLoop::Clock::time_point round_began_;
    bool barrier_running_ = false;
    bool taking_ = true;
    bool broken_ = false;
    bool serving_ = false;
    bool serve_deferred_ = false;
    EventLoop::Timer pause_; ///< until the limits allow more
    LogLimit log_limit_;
    std::shared_ptr<Queue*> self_ = std::make_shared<Queue*>(this); // null for deferred work that outlives the queue
};

}
