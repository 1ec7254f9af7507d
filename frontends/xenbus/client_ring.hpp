// The client's end of a shared ring (the server's is in backends/lib/ring.hpp). Layout and event rule: Xen's public
// io/ring.h.
//
// The peer owns rsp_prod, req_event and the content of the slots; any of them may hold anything at any time. A response
// is copied once into our own memory; an index that cannot be right is reported as a broken ring. What a response says
// is for the driver to check: its id above all, which must be of a request that is in service.
#pragma once

#include "hypervisor/abi/io/ring.hpp"
#include "hypervisor/base/copy_once.hpp"

#include <optional>

namespace xylem::frontends {

template <typename Request, typename Response> class ClientRing {
public:
    static constexpr size_t slot_bytes = sizeof(abi::io::RingEntry<Request, Response>);

    /// A new ring on `bytes` of zeroed memory: no request, no response, both sides want to hear of the first.
    ClientRing(u8* shared, size_t bytes)
        : shared_(shared), size_(abi::io::ring_slots(bytes, slot_bytes)),
          req_prod_(shared + offsetof(Header, req_prod)), req_event_(shared + offsetof(Header, req_event)),
          rsp_prod_(shared + offsetof(Header, rsp_prod)), rsp_event_(shared + offsetof(Header, rsp_event))
    {
        req_event_.store(1);
        rsp_event_.store(1);
    }

    u32 size() const { return size_; }
    /// Slots that no request in service occupies.
    u32 room() const { return size_ - (produced_ - consumed_); }

    /// Puts a request into the next slot; there must be room. The peer sees it after publish().
    template <typename AnyRequest> void push(const AnyRequest& request)
    {
        static_assert(sizeof request <= slot_bytes);
        __builtin_memcpy(slot(produced_++), &request, sizeof request);
    }

    /// Shows the peer all requests pushed so far. @return whether it wants an event for them
    [[nodiscard]] bool publish()
    {
        const u32 old = published_;
        if (old == produced_)
            return false;
        published_ = produced_;
        req_prod_.store(produced_);
        full_barrier();
        return abi::io::ring_must_notify(old, produced_, req_event_.load());
    }

    /// Responses that wait to be taken; nothing if the peer's index is impossible.
    std::optional<u32> waiting() const
    {
        const u32 count = rsp_prod_.load() - consumed_;
        if (count > published_ - consumed_)
            return std::nullopt;
        return count;
    }

    /// waiting(); where it says none, the peer has been asked for an event at the next one.
    std::optional<u32> waiting_or_event()
    {
        const auto count = waiting();
        return count == 0u && ask_for_event() ? waiting() : count;
    }

    /// Our copy of the next response, one that waiting() counted.
    Response take() { return copy_once<Response>(slot(consumed_++)); }

    /// Asks for an event at the next response.
    /// @return whether responses are there already, so that no event will come for them
    [[nodiscard]] bool ask_for_event()
    {
        rsp_event_.store(consumed_ + 1);
        full_barrier();
        return rsp_prod_.load() != consumed_;
    }

private:
    using Header = abi::io::RingHeader;

    u8* slot(u32 index) const { return shared_ + sizeof(Header) + (index & (size_ - 1)) * slot_bytes; }

    u8* shared_;
    u32 size_;
    SharedWord req_prod_, req_event_, rsp_prod_, rsp_event_;
    u32 produced_ = 0;  // pushed
    u32 published_ = 0; // of these, shown to the peer. Never read back: the peer could have changed it
    u32 consumed_ = 0;
};

}
