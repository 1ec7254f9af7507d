// See rate.hpp.
#include "tools/xl/config/rate.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

namespace xylem::xl::config {

std::optional<std::uint64_t> whole_number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// A number with one of `units` behind it, times what that unit stands for.
static std::optional<std::uint64_t> with_unit(std::string_view text,
                                              const std::map<std::string_view, std::uint64_t>& units)
{
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = whole_number(text.substr(0, digits));
    const auto unit = units.find(text.substr(digits));
    if (!number || unit == units.end() || *number > std::numeric_limits<std::uint64_t>::max() / unit->second)
        return std::nullopt;
    return *number * unit->second;
}

std::optional<Rate> parse_rate(std::string_view text)
{
    static const std::map<std::string_view, std::uint64_t> bits{
        {"GB/s", 8'000'000'000}, {"MB/s", 8'000'000}, {"KB/s", 8'000}, {"B/s", 8},
        {"Gb/s", 1'000'000'000}, {"Mb/s", 1'000'000}, {"Kb/s", 1'000}, {"b/s", 1},
    };
    static const std::map<std::string_view, std::uint64_t> intervals{
        {"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"", 1'000'000}};
    constexpr std::uint64_t default_interval = 50'000;
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();

    const std::size_t at = std::min(text.find('@'), text.size());
    const auto rate = with_unit(text.substr(0, at), bits);
    const auto interval = at == text.size() ? default_interval : with_unit(text.substr(at + 1), intervals);
    if (!rate || !interval || *rate == 0 || *interval == 0 || *interval > most)
        return std::nullopt;
    const std::uint64_t bytes_per_second = *rate / 8;
    const auto bytes = static_cast<__uint128_t>(bytes_per_second) * *interval / 1'000'000;
    if (static_cast<__uint128_t>(bytes_per_second) * *interval > std::numeric_limits<std::uint64_t>::max())
        return std::nullopt;
    return Rate{static_cast<std::uint64_t>(bytes), static_cast<std::uint32_t>(*interval)};
}

}
