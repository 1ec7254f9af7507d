// The shared page of a request-response ring: its layout and the arithmetic on its free-running indices.
//
// A ring holds a power of two of slots; index i stands for slot i mod slots. The producer of requests is the frontend,
// of responses the backend. A side asks to be woken by writing the index after which it cares into the event field.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace xylem::abi::io {

using RingIndex = uint32_t;

struct RingHeader {
    RingIndex req_prod, req_event;
    RingIndex rsp_prod, rsp_event;
    uint8_t pvt[4];
    uint8_t pad[44];
};

template <typename Request, typename Response> union RingEntry {
    Request req;
    Response rsp;
};

/// How many slots of `entry_bytes` a ring of `ring_bytes` has: the largest power of two that fits behind the header.
constexpr uint32_t ring_slots(size_t ring_bytes, size_t entry_bytes)
{
    const size_t room = (ring_bytes - sizeof(RingHeader)) / entry_bytes;
    uint32_t slots = 1;
    while (slots * 2UL <= room)
        slots *= 2;
    return slots;
}

/// Whether a producer that moved from `old_index` to `new_index` must wake a consumer that waits for `event`.
constexpr bool ring_must_notify(RingIndex old_index, RingIndex new_index, RingIndex event)
{
    return static_cast<RingIndex>(new_index - event) < static_cast<RingIndex>(new_index - old_index);
}

}
