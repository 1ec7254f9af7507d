// See limits.hpp.
#include "backends/block/limits.hpp"

#include "backends/lib/rate.hpp"

#include <fmt/format.h>
#include <stdexcept>

namespace xylem::backends::block {

static constexpr unsigned long most_requests_a_second = 100'000'000;

static std::optional<Budget> request_limit(Store& store, const std::string& back, Budget::Clock::time_point now)
{
    const std::string node = back + "/limit-iops";
    if (!store.read(node))
        return std::nullopt;
    const auto number = read_number(store, node);
    if (!number || *number == 0 || *number > most_requests_a_second)
        throw std::runtime_error(fmt::format("the node {} is no number from 1 to {}", node, most_requests_a_second));
    const auto interval = std::chrono::nanoseconds(std::chrono::seconds(1)) / static_cast<long>(*number);
    return Budget(1, interval, static_cast<std::int64_t>(std::max(*number / 10, 1ul)), now);
}

static std::optional<Budget> byte_limit(Store& store, const std::string& back, Budget::Clock::time_point now)
{
    const auto rate = read_rate(store, back + "/limit-rate");
    if (!rate)
        return std::nullopt;
    const auto in_a_tenth = rate->bytes * std::chrono::milliseconds(100) / rate->interval;
    return Budget(rate->bytes, rate->interval, std::max<std::int64_t>(in_a_tenth, rate->bytes), now);
}

Limits read_limits(Store& store, const std::string& back, Budget::Clock::time_point now)
{
    return {request_limit(store, back, now), byte_limit(store, back, now)};
}

}
