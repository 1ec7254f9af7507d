// "BYTES,MICROSECONDS": so many bytes in each interval, as a toolstack writes a vif's rate.
#pragma once

#include "backends/lib/store.hpp"

#include <chrono>
#include <cstdint>

namespace xylem::backends {

struct Rate {
    std::int64_t bytes;
    std::chrono::microseconds interval;
};

/// Nothing if the node is missing, or says 0 bytes: no limit.
/// @throws std::runtime_error  it holds something else
std::optional<Rate> read_rate(Store& store, const std::string& path);

}
