// Rates in specifications of interfaces and disks.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace xylem::xl::config {

/// So many bytes in each interval.
struct Rate {
    std::uint64_t bytes_per_interval;
    std::uint32_t interval_microseconds;
};

/// "RATE/s" or "RATE/s@INTERVAL", as in "10Mb/s@20ms".
std::optional<Rate> parse_rate(std::string_view text);

/// A decimal number and nothing else.
std::optional<std::uint64_t> whole_number(std::string_view text);

}
