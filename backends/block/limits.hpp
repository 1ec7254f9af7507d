// What a guest may ask of a disk in a second: requests and bytes, over all rings of the disk.
#pragma once

#include "backends/lib/budget.hpp"
#include "backends/lib/store.hpp"

#include <optional>

namespace xylem::backends::block {

class Limits {
public:
    Limits() = default;
    Limits(std::optional<Budget> requests, std::optional<Budget> bytes) : requests_(requests), bytes_(bytes) {}

    Budget::Clock::duration wait(Budget::Clock::time_point now)
    {
        auto longest = Budget::Clock::duration::zero();
        for (auto* budget : {&requests_, &bytes_})
            if (*budget)
                longest = std::max(longest, (*budget)->wait(now));
        return longest;
    }
    void spend(std::uint64_t bytes)
    {
        if (requests_)
            requests_->spend(1);
        if (bytes_)
            bytes_->spend(static_cast<std::int64_t>(bytes));
    }

private:
    std::optional<Budget> requests_;
    std::optional<Budget> bytes_;
};

/// From the backend's folder: `limit-iops`, requests a second, and `limit-rate`, "BYTES,MICROSECONDS" like a vif's
/// rate. A tenth of a second's worth may come at once.
/// @throws std::runtime_error  a node that does not hold
Limits read_limits(Store& store, const std::string& back, Budget::Clock::time_point now);

}
