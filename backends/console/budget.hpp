// How many events a guest may have served: a burst at once, then a steady rate. What comes faster waits, with its port
// masked, so that a guest that floods its console costs dom0 a bounded share of time and no other guest waits for it.
#pragma once

#include <algorithm>
#include <chrono>

namespace xylem::backends::console {

class EventBudget {
public:
    using Clock = std::chrono::steady_clock;

    static constexpr int burst = 50;
    static constexpr auto period = std::chrono::milliseconds(5); ///< one event each, in the long run

    explicit EventBudget(Clock::time_point now) : since_(now) {}

    /// Spends one event. @return how long to wait before the next may be served; zero mostly
    Clock::duration spend(Clock::time_point now)
    {
        const auto periods = (now - since_) / period;
        left_ = static_cast<int>(std::min<long>(burst, left_ + periods));
        since_ += periods * period;
        if (--left_ >= 0)
            return Clock::duration::zero();
        return (since_ + period) - now;
    }

private:
    int left_ = burst;
    Clock::time_point since_;
};

}
