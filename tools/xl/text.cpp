// See text.hpp.
#include "tools/xl/text.hpp"

#include "tools/xl/failure.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
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

std::vector<u64> numbers_of(const dom0::CpuMap& map)
{
    std::vector<u64> numbers;
    for (std::size_t cpu = 0; cpu < map.size(); ++cpu)
        if (map[cpu])
            numbers.push_back(cpu);
    return numbers;
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

u64 parse_kib(const std::string& text)
{
    u64 number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    const char unit = stop == end ? 'm' : static_cast<char>(std::tolower(static_cast<unsigned char>(*stop)));
    const auto shift = std::string_view("bkmgt").find(unit);
    constexpr u64 most = u64{1} << 32; // of any unit up to MiB
    if (error != std::errc() || end - stop > 1 || shift == std::string_view::npos || number > most || number == 0)
        fail("'{}' is no amount of memory; expected one in MiB, or with a unit: b, k, m, g or t", text);
    return shift == 0 ? number >> 10 : number << (10 * (shift - 1));
}

std::string printable(std::string_view text)
{
    std::string clean(text);
    std::ranges::replace_if(
        clean, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
    return clean;
}

}
