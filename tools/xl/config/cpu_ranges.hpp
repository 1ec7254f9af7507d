// Lists of processors as a configuration writes them: "0-3,^1", "node:0", "all".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace xylem::xl::config {

using CpuSet = std::vector<bool>; ///< by processor number, to a multiple of eight as libxl's bitmaps

/// @throws Failure  it is no list of processors
CpuSet parse_cpu_ranges(const std::string& list, unsigned cpus, unsigned nodes);

std::vector<unsigned> members(const CpuSet& cpus);

/// "A" or "A-B".
struct Range {
    std::uint64_t first;
    std::uint64_t last;
};
bool parse_range(const std::string& text, Range& range);

}
