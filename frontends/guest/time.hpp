// Time as the hypervisor tells it. Nanoseconds throughout.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::guest {

inline constexpr u64 microsecond = 1000, millisecond = 1'000'000, second = 1'000'000'000;

/// Since the hypervisor's start. What deadlines are given in.
u64 system_time();
/// Since 1970, as dom0 has set the clock.
u64 wall_clock();

}
