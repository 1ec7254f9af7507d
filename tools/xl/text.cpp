// See text.hpp.
#include "tools/xl/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace xylem::xl {

std::string text_of(const dom0::CpuMap& map)
{
    if (std::find(map.begin(), map.end(), false) == map.end())
        return "all";
    std::string text;
    for (std::size_t first = 0; first < map.size(); ++first) {
        if (!map[first])
            continue;
        std::size_t last = first;
        while (last + 1 < map.size() && map[last + 1])
            ++last;
        text += fmt::format("{}{}", text.empty() ? "" : ",", first);
        if (last > first)
            text += fmt::format("-{}", last);
        first = last;
    }
    return text.empty() ? "none" : text;
}

std::string_view name_of(abi::SchedulerId scheduler)
{
    switch (scheduler) {
    case abi::SchedulerId::credit:
        return "credit";
    case abi::SchedulerId::credit2:
        return "credit2";
    case abi::SchedulerId::arinc653:
        return "arinc653";
    case abi::SchedulerId::rtds:
        return "rtds";
    case abi::SchedulerId::null:
        return "null";
    }
    return "unknown";
}

}
