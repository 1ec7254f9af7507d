// Where a frontend has its rings, as its folder in the store says: one, or several (multi-queue), each of one page or
// more.
#pragma once

#include "backends/lib/store.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::backends::block {

/// A ring of up to 2^4 pages, as Linux's backend offers.
inline constexpr unsigned max_ring_page_order = 4;
/// Each ring of a disk has buffers of its own; that there are several helps the guest's processors, not us.
inline constexpr unsigned max_queues = 4;

struct RingPlace {
    std::vector<GrantRef> pages;
    Port port;
};

/// @throws std::runtime_error  with a sentence about what is missing or too much
std::vector<RingPlace> read_rings(Store& store, const std::string& front);

}
