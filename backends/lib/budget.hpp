// How much of something a guest may have: so much at once, then so much in each interval. What is asked for in one
// piece may be more than there is; the debt is then waited for. So a guest that floods us costs a bounded share, and no
// other guest waits for it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace xylem::backends {

class Budget {
public:
    using Clock = std::chrono::steady_clock;

    /// `amount` comes in each interval, and at most `burst` is kept. Neither is 0.
    Budget(std::int64_t amount, Clock::duration interval, std::int64_t burst, Clock::time_point now)
        : amount_(amount), interval_(interval), burst_(burst), left_(burst), since_(now)
    {
    }

    void spend(std::int64_t what) { left_ -= what; }

    /// How long until something may be spent; zero: now.
    Clock::duration wait(Clock::time_point now)
    {
        refill(now);
        if (left_ > 0)
            return Clock::duration::zero();
        const auto intervals = -left_ / amount_ + 1;
        return since_ + intervals * interval_ - now;
    }

private:
    void refill(Clock::time_point now)
    {
        const auto intervals = (now - since_) / interval_;
        since_ += intervals * interval_;
        const auto needed = (burst_ - left_) / amount_ + 1; // more would be too much, and might not fit
        left_ = std::min(burst_, left_ + std::min<std::int64_t>(intervals, needed) * amount_);
    }

    std::int64_t amount_;
    Clock::duration interval_;
    std::int64_t burst_;
    std::int64_t left_;
    Clock::time_point since_;
};

}
