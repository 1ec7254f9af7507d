// Where a frontend has its rings, as its folder in the store says: one pair, or several (multi-queue).
#pragma once

#include "backends/lib/store.hpp"
#include "hypervisor/base/types.hpp"

#include <optional>

namespace xylem::backends::net {

/// Each pair has buffers of its own; that there are several helps the guest's processors, not us.
inline constexpr unsigned most_queues = 4;

struct RingPlace {
    GrantRef transmit_page;
    GrantRef receive_page;
    Port transmit_port;
    std::optional<Port> receive_port; ///< nothing: one event channel for both
};

/// @throws std::runtime_error  with a sentence about what is missing or too much
std::vector<RingPlace> read_rings(Store& store, const std::string& front);

}
