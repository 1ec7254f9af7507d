// The arithmetic of time.

#include "hypervisor/arch/x86_64/time.hpp"

#include <gtest/gtest.h>

#include <ctime>

using namespace xylem;
using namespace xylem::arch;

namespace {

// A guest's clock is this multiplication; an error of one part in 10^8 is a second in three years.
TEST(Scale, IsRightToOnePartIn100MillionAtAnyFrequency)
{
    for (u64 hertz : {1'000'000ULL, 62'500'000ULL, 999'999'999ULL, 1'000'000'000ULL, 2'596'144'123ULL, 5'000'000'000ULL,
                      40'000'000'000ULL}) {
        const Scale scale = Scale::ratio(1'000'000'000, hertz);
        EXPECT_GE(scale.mul, 1U << 31) << hertz;
        const u64 hour = hertz * 3600, nanoseconds = scale.apply(hour);
        EXPECT_NEAR(static_cast<double>(nanoseconds), 3600e9, 3600e9 * 1e-8) << hertz;
    }
}

TEST(Scale, NeverStepsBack)
{
    const Scale scale = Scale::ratio(1'000'000'000, 2'596'144'123);
    u64 last = 0;
    for (u64 ticks = 1ULL << 40; ticks < (1ULL << 40) + 1000; ++ticks) {
        EXPECT_GE(scale.apply(ticks), last);
        last = scale.apply(ticks);
    }
}

TEST(Scale, CanMakeTicksOutOfNanoseconds)
{
    EXPECT_NEAR(static_cast<double>(Scale::ratio(62'500'000, 1'000'000'000).apply(1'000'000)), 62'500, 1);
}

TEST(Calendar, AgreesWithTheCLibraryOnEveryDayOfFourCenturies)
{
    for (time_t day = 0; day < 146'097; ++day) {
        const time_t seconds = day * 86'400 + 12'345;
        tm date{};
        gmtime_r(&seconds, &date);
        ASSERT_EQ(seconds_since_1970(static_cast<unsigned>(date.tm_year) + 1900, static_cast<unsigned>(date.tm_mon) + 1,
                                     static_cast<unsigned>(date.tm_mday), static_cast<unsigned>(date.tm_hour),
                                     static_cast<unsigned>(date.tm_min), static_cast<unsigned>(date.tm_sec)),
                  static_cast<u64>(seconds));
    }
}

}
