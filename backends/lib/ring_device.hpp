// A device with one ring, whose requests are answered as they are read: all of a small backend but what it is for.
//
// A backend derives from this and brings answer(): it is given its own copy of each request, in order, and what it
// returns goes back to the frontend. Requests are the frontend's word: answer() checks them. It must not block. A
// device whose requests take time (a disk's) has a queue of its own instead: see backends/block.
//
// Killed and started again, it serves from the oldest request that has no answer: answer() must not mind being asked
// the same twice. (ring.hpp says how.)
#pragma once

#include "backends/lib/device.hpp"
#include "backends/lib/event_loop.hpp"
#include "backends/lib/log.hpp"
#include "backends/lib/peer_memory.hpp"
#include "backends/lib/ring.hpp"

namespace xylem::backends {

/// What a device works with: Xen's devices in dom0, plain memory in a test.
struct DeviceSeams {
    EventLoop& loop;
    Store& store;
    std::unique_ptr<PeerMemory> memory; ///< the frontend's pages
    /// Binds to a port of the frontend's. @throws std::system_error  it is not offered to us
    std::function<std::unique_ptr<PeerSignal>(Port remote, EventLoop::Handler on_event)> bind;
};

/// Maps the one page of a frontend's ring.
/// @throws std::runtime_error  with a sentence about what is missing
inline MappedPages map_ring(DeviceSeams& seams, const std::string& front)
{
    const GrantRef ref(wanted_number(seams.store, front + "/ring-ref"));
    MappedPages page(*seams.memory, {&ref, 1});
    if (!page)
        throw std::runtime_error(fmt::format("the frontend's ring (grant reference {}) cannot be mapped", ref.value));
    return page;
}

template <typename Request, typename Response> class RingDevice : public Device {
public:
    RingDevice(DeviceSeams seams, DevicePlace place, DeviceEvents events)
        : seams_(std::move(seams)), place_(std::move(place)), events_(std::move(events))
    {
    }
    ~RingDevice() override { *self_ = nullptr; }

    Entries prepare() override { return features(); }

    Entries connect(Begin begin) override
    {
        pages_ = map_ring(seams_, place_.front);
        ring_.emplace(pages_.data(), pages_.bytes());
        signal_ = seams_.bind(Port(wanted_number(seams_.store, place_.front + "/event-channel")), [this] { serve(); });
        if (begin == Begin::fresh) {
            ring_->start();
        } else {
            ring_->resume();
            signal_->notify(); // the predecessor may have died between answering and telling
        }
        serve(); // a resumed ring may hold requests for which no event will come
        return description();
    }

    bool disconnect() override
    {
        ring_.reset();
        signal_.reset();
        pages_ = {};
        return true;
    }
    void quiesce() override { taking_ = false; }
    bool idle() const override { return true; }

protected:
    /// What the frontend gets for a request.
    virtual Response answer(const Request& request) = 0;
    /// Nodes of our folder that tell what the backend can do, written before the frontend makes its ring. May throw a
    /// sentence for the administrator: the device cannot be had.
    virtual Entries features() { return {}; }
    /// Nodes that tell what the device is, written as it connects.
    virtual Entries description() { return {}; }

    PeerMemory& memory() { return *seams_.memory; }
    Store& store() { return seams_.store; }
    const DevicePlace& place() const { return place_; }

private:
    /// A ring that is filled as fast as it is served lets others have their turn after so many rounds.
    static constexpr int rounds_per_turn = 4;

    void serve()
    {
        bool more = taking_;
        for (int round = 0; more && round < rounds_per_turn; ++round)
            more = serve_waiting() && ring_->ask_for_event();
        if (!ring_)
            return;
        if (ring_->publish())
            signal_->notify();
        if (more)
            serve_soon();
    }

    /// @return false  the ring is broken
    bool serve_waiting()
    {
        auto waiting = ring_->waiting();
        for (; waiting && *waiting > 0; --*waiting)
            ring_->respond(answer(ring_->take()));
        if (!waiting) {
            taking_ = false;
            events_.on_broken("the frontend's request index runs ahead of the ring");
        }
        return waiting.has_value();
    }

    void serve_soon()
    {
        seams_.loop.defer([self = self_] {
            if (*self && (*self)->ring_)
                (*self)->serve();
        });
    }

    DeviceSeams seams_;
    DevicePlace place_;
    DeviceEvents events_;
    MappedPages pages_;
    std::optional<ServerRing<Request, Response>> ring_;
    std::unique_ptr<PeerSignal> signal_;
    bool taking_ = true;
    std::shared_ptr<RingDevice*> self_ = std::make_shared<RingDevice*>(this); // null for deferred work that outlives us
};

}
