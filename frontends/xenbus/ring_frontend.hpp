// A frontend with one ring of one page: all of a small driver but what it is for. (The backend's half is
// backends/lib/ring_device.hpp.)
//
// A driver derives from this, asks with ask(), and brings answered(): the id of a response is checked before, so that
// it is one that was asked and not answered yet; the rest of a response is the backend's word, and may be anything.
#pragma once

#include "frontends/xenbus/client_ring.hpp"
#include "frontends/xenbus/frontend.hpp"

namespace xylem::frontends {

/// Request and Response have a member `id`.
template <typename Request, typename Response> class RingFrontend : public Frontend {
public:
    RingFrontend(Kernel& kernel, const char* type, u32 number)
        : Frontend(kernel, type, number, XenbusState::initialised)
    {
    }
    ~RingFrontend() override { release(); }

protected:
    /// The backend has answered; must not wait. @return false  it lies: the device is closed
    virtual bool answered(const Response& response) = 0;
    /// Nobody will answer this request: the connection has ended.
    virtual void lost(const Request& request) = 0;
    /// The device is connected; nodes of the backend's folder may be read.
    virtual Result<void> connected() { return {}; }

    /// Puts a request on the ring, with an id of our choice in it.
    /// @return Again  there is no room, or no connection, now
    Result<void> ask(Request request)
    {
        if (!is_connected() || ring_->room() == 0)
            return Error::Again;
        u64 id = 0;
        while (asked_[id])
            ++id;
        request.id = id;
        asked_[id].emplace(request);
        ring_->push(request);
        if (ring_->publish())
            port_.notify();
        return {};
    }

private:
    using Ring = ClientRing<Request, Response>;
    static constexpr u32 slots = abi::io::ring_slots(page_size, Ring::slot_bytes);

    Result<void> offer() override
    {
        TRY(pages_.acquire(kernel(), backend(), 1));
        TRY(port_.acquire(
            kernel(), backend(), [](void* self) { static_cast<RingFrontend*>(self)->serve(); }, this));
        ring_.emplace(pages_.page(0), page_size);
        TRY(write_number("ring-ref", pages_.ref(0).value));
        return write_number("event-channel", port_.port().value);
    }
    Result<void> connect() override { return connected(); }

    void let_go() override
    {
        release();
        for (auto& request : asked_)
            if (request) {
                const Request gone = *request;
                request.reset();
                lost(gone);
            }
    }
    void release()
    {
        ring_.reset();
        port_.release();
        pages_.release();
    }

    void serve()
    {
        while (ring_) {
            const auto waiting = ring_->waiting_or_event();
            if (!waiting)
                return break_connection("its response index runs ahead of the requests");
            if (*waiting == 0)
                return;
            const Response response = ring_->take();
            if (response.id >= slots || !asked_[response.id])
                return break_connection("it answered a request that is not in service");
            asked_[response.id].reset();
            if (!answered(response))
                return break_connection("its answer cannot be");
        }
    }

    GrantedPages pages_;
    PeerPort port_;
    std::optional<Ring> ring_;
    std::optional<Request> asked_[slots]; // by id: in service
};

}
