// The entropy protocol: what stands in the slots of a ring between a guest that wants random bytes and dom0, which has
// them. Xylem's own; docs/rng.md is its page.
#pragma once

#include "hypervisor/abi/grant_table.hpp"
#include "hypervisor/abi/io/ring.hpp"

namespace xylem::abi::io {

/// "Fill these bytes of this page of mine." Not beyond the end of the page, and not none.
struct RngRequest {
    uint64_t id; // of the frontend's choice
    RawGrantRef gref;
    uint16_t offset, bytes;
};

enum class RngStatus : int32_t { okay = 0, error = -1 };

struct RngResponse {
    uint64_t id;
    RngStatus status;
    uint32_t pad;
};

using RngEntry = RingEntry<RngRequest, RngResponse>;

}
