// What limits a guest, and where the store says so: budgets, rates, a disk's limits.
#include "backends/block/limits.hpp"
#include "backends/lib/rate.hpp"
#include "tests/unit/backends/memory_store.hpp"

#include <gtest/gtest.h>

namespace xylem::backends::block {

using namespace std::chrono_literals;
using test::MemoryStore;

constexpr auto none = Budget::Clock::duration::zero();

TEST(Budget, ABurstPassesThenASteadyRate)
{
    Budget::Clock::time_point now{};
    Budget budget(1, 5ms, 50, now);
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(budget.wait(now), none);
        budget.spend(1);
    }
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(budget.wait(now), 5ms);
        now += 5ms;
        EXPECT_EQ(budget.wait(now), none);
        budget.spend(1);
    }
    now += std::chrono::hours(10000);
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(budget.wait(now), none);
        budget.spend(1);
    }
    EXPECT_GT(budget.wait(now), none);
}

TEST(Budget, ADebtIsWaitedFor)
{
    Budget::Clock::time_point now{};
    Budget budget(10, 1ms, 20, now);
    budget.spend(120);
    EXPECT_EQ(budget.wait(now), 11ms);
    now += 10ms;
    EXPECT_EQ(budget.wait(now), 1ms);
    now += 1ms;
    EXPECT_EQ(budget.wait(now), none);
}

TEST(Rate, IsBytesInMicroseconds)
{
    MemoryStore store;
    EXPECT_FALSE(read_rate(store, "/rate"));
    store.write("/rate", "0,50000");
    EXPECT_FALSE(read_rate(store, "/rate"));
    store.write("/rate", "62500,50000");
    const auto rate = read_rate(store, "/rate");
    ASSERT_TRUE(rate);
    EXPECT_EQ(rate->bytes, 62500);
    EXPECT_EQ(rate->interval, 50ms);
    for (const char* wrong : {"", "5", "5,", ",5", "5,0", "-5,5", "5,5x", "99999999999999999999,5", "5,99999999999"}) {
        store.write("/rate", wrong);
        EXPECT_THROW(read_rate(store, "/rate"), std::runtime_error) << wrong;
    }
}

TEST(DiskLimits, ComeFromTheStore)
{
    MemoryStore store;
    const Budget::Clock::time_point now{};
    Limits unlimited = read_limits(store, "/back", now);
    unlimited.spend(std::uint64_t{1} << 40);
    EXPECT_EQ(unlimited.wait(now), none);

    store.write("/back/limit-iops", "100");
    Limits requests = read_limits(store, "/back", now);
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(requests.wait(now), none);
        requests.spend(1 << 20);
    }
    EXPECT_EQ(requests.wait(now), 10ms);

    store.write("/back/limit-rate", "5000,50000"); // 100,000 bytes a second, of which 10,000 at once
    Limits both = read_limits(store, "/back", now);
    both.spend(60000);
    EXPECT_EQ(both.wait(now), 550ms);

    for (const char* wrong : {"0", "x", "1000000000"}) {
        store.write("/back/limit-iops", wrong);
        EXPECT_THROW(read_limits(store, "/back", now), std::runtime_error) << wrong;
    }
}

}
