// See backlog.hpp.
#include "backends/console/backlog.hpp"

#include <algorithm>

namespace xylem::backends::console {

static constexpr std::size_t largest_backlog = 1 << 20;
static constexpr std::size_t smallest_backlog = 16 << 10;

std::size_t backlog_limit(Store& store, const std::string& folder)
{
    const auto limit = read_number(store, folder + "/limit").value_or(largest_backlog);
    return std::clamp<std::size_t>(limit, smallest_backlog, largest_backlog);
}

}
