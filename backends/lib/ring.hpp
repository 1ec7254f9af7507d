// The server's end of a shared ring (the client's is in frontends/). Layout and event rule: Xen's public io/ring.h.
//
// The peer owns req_prod, rsp_event and the content of the slots; any of them may hold anything at any time. Each
// request is copied once into our own memory; an index that cannot be right is reported as a broken ring, and the
// device is then closed.
//
// Crash safety. A backend may be killed at any instruction and its successor must neither lose nor double a request.
// The shared page tells what was answered (rsp_prod), so that the successor serves [rsp_prod, req_prod) again, provided
// that
//  1. responses are produced in the order of the requests: a response overwrites the oldest unanswered slot, so that
//  answering
//     out of order would destroy a request that is still being served (OrderedRing below keeps the order), and
//  2. a response that was written into its slot, over the request, but not yet published is known: before a slot is
//  written,
//     the response is noted in the ring page's padding, which Xen reserves to the backend's side; resume() finishes
//     from there.
// A hostile peer that scribbles there spoils its own ring only.
#pragma once

#include "hypervisor/abi/io/ring.hpp"
#include "hypervisor/base/copy_once.hpp"

#include <atomic>
#include <cstddef>
#include <cstring>
#include <optional>
#include <vector>

namespace xylem::backends {

/// Where in the header's padding a backend notes the response that it is writing.
struct ResponseNote {
    static constexpr std::size_t index = 32;    ///< the ring index after it
    static constexpr std::size_t response = 40; ///< the response itself
    static constexpr std::size_t end = sizeof(abi::io::RingHeader);
    static_assert(index >= offsetof(abi::io::RingHeader, pad));
};

template <typename Request, typename Response> class ServerRing {
public:
    static constexpr std::size_t slot_bytes = sizeof(abi::io::RingEntry<Request, Response>);
    static_assert(sizeof(Response) <= ResponseNote::end - ResponseNote::response);

    /// Attaches to a ring at the point up to which it was answered: 0 in a fresh ring, and after a restart whatever the
    /// predecessor published last.
    ServerRing(std::byte* shared, std::size_t bytes)
        : shared_(shared), size_(abi::io::ring_slots(bytes, slot_bytes)),
          req_prod_(shared + offsetof(Header, req_prod)), req_event_(shared + offsetof(Header, req_event)),
          rsp_prod_(shared + offsetof(Header, rsp_prod)), rsp_event_(shared + offsetof(Header, rsp_event)),
          note_index_(shared + ResponseNote::index), taken_(rsp_prod_.load()), answered_(taken_)
    {
    }

    u32 size() const { return size_; }

    /// A ring that no backend served before: nothing of it can be half answered.
    void start() { note_index_.store(answered_); }

    /// Finishes the response that a killed predecessor was writing, if there was one.
    void resume()
    {
        const u32 noted = note_index_.load();
        const u32 ahead = noted - answered_;
        if (ahead == 0 || ahead > size_ || ahead > req_prod_.load() - answered_)
            return;
        const Response last = read_note();
        write_slot(noted - 1, last);
        answered_ = taken_ = noted;
        rsp_prod_.store(answered_);
    }

    /// Requests that wait to be taken; nothing if the peer's index is impossible.
    std::optional<u32> waiting() const
    {
        const u32 produced = req_prod_.load();
        if (produced - answered_ > size_ || produced - taken_ > size_)
            return std::nullopt;
        return produced - taken_;
    }

    /// The index of the next request: its place in the order of responses.
    u32 next_index() const { return taken_; }

    /// Copies the next request, one that waiting() counted.
    Request take() { return copy_once<Request>(slot(taken_++)); }

    /// Copies the request after the next `ahead` ones without taking it.
    Request peek(u32 ahead) const { return copy_once<Request>(slot(taken_ + ahead)); }

    /// Writes the response to the oldest unanswered request. The peer sees it after publish().
    void respond(const Response& response)
    {
        write_note(response);
        note_index_.store(answered_ + 1);
        write_slot(answered_, response);
        ++answered_;
    }

    u32 answered() const { return answered_; }
    /// Requests taken and not answered.
    u32 in_service() const { return taken_ - answered_; }

    /// Shows the peer all responses written so far.
    /// @return whether the peer wants an event for them
    [[nodiscard]] bool publish()
    {
        const u32 old = rsp_prod_.load();
        if (old == answered_)
            return false;
        rsp_prod_.store(answered_);
        full_barrier();
        return abi::io::ring_must_notify(old, answered_, rsp_event_.load());
    }

    /// Asks the peer for an event at its next request.
    /// @return whether requests are there already, so that no event will come for them
    [[nodiscard]] bool ask_for_event() { return ask_for_event_after(1); }

    /// Asks for an event when `count` requests are waiting.
    [[nodiscard]] bool ask_for_event_after(u32 count)
    {
        req_event_.store(taken_ + count);
        full_barrier();
        return req_prod_.load() - taken_ >= count;
    }

private:
    using Header = abi::io::RingHeader;

    std::byte* slot(u32 index) const { return shared_ + sizeof(Header) + (index & (size_ - 1)) * slot_bytes; }

    static void store_bytes(std::byte* to, const Response& response)
    {
        std::memcpy(to, &response, sizeof response);
        std::atomic_signal_fence(std::memory_order_seq_cst); // the order of these stores is what resume() rests on
    }
    void write_slot(u32 index, const Response& response) { store_bytes(slot(index), response); }
    void write_note(const Response& response) { store_bytes(shared_ + ResponseNote::response, response); }
    Response read_note() const
    {
        Response response;
        std::memcpy(&response, shared_ + ResponseNote::response, sizeof response);
        return response;
    }

    std::byte* shared_;
    u32 size_;
    SharedWord req_prod_, req_event_, rsp_prod_, rsp_event_, note_index_;
    u32 taken_;
    u32 answered_;
};

/// A ring whose requests finish in any order and are answered in the order they came.
template <typename Request, typename Response> class OrderedRing : public ServerRing<Request, Response> {
public:
    OrderedRing(std::byte* shared, std::size_t bytes)
        : ServerRing<Request, Response>(shared, bytes), finished_(this->size())
    {
    }

    /// Notes the response to the request that had `index`, and writes those that are next in order.
    void finish(u32 index, const Response& response)
    {
        finished_[index & (this->size() - 1)] = response;
        for (auto* next = &oldest(); next->has_value(); next = &oldest()) {
            this->respond(**next);
            next->reset();
        }
    }

private:
    std::optional<Response>& oldest() { return finished_[this->answered() & (this->size() - 1)]; }

    std::vector<std::optional<Response>> finished_;
};

}
