// Sets of ranges, against a set of single numbers.

#include "hypervisor/mm/range_set.hpp"
#include "tests/support/fake_machine.hpp"

#include <bitset>
#include <gtest/gtest.h>
#include <random>

namespace xylem::test {
namespace {

struct RangeSets : testing::Test {
    Session session;
    mm::RangeSet set;
    ~RangeSets() override { set.clear(); }
};

TEST_F(RangeSets, RangesThatTouchBecomeOne)
{
    ASSERT_TRUE(set.add(10, 19).ok());
    ASSERT_TRUE(set.add(30, 39).ok());
    ASSERT_TRUE(set.add(20, 29).ok());
    ASSERT_EQ(set.end() - set.begin(), 1);
    EXPECT_TRUE(set.contains(10, 39));
    EXPECT_FALSE(set.contains(9, 39));
}

TEST_F(RangeSets, RemovingFromTheMiddleSplits)
{
    ASSERT_TRUE(set.add(0, ~u64{0}).ok());
    ASSERT_TRUE(set.remove(5, 7).ok());
    EXPECT_TRUE(set.contains(0, 4));
    EXPECT_TRUE(set.contains(8, ~u64{0}));
    EXPECT_FALSE(set.overlaps(5, 7));
    EXPECT_TRUE(set.overlaps(7, 8));
}

TEST_F(RangeSets, ARangeThatEndsBeforeItBeginsIsRefused)
{
    EXPECT_EQ(set.add(2, 1), Error::Invalid);
    EXPECT_EQ(set.remove(2, 1), Error::Invalid);
    EXPECT_FALSE(set.contains(2, 1));
}

TEST_F(RangeSets, RandomChangesGoAsInASetOfNumbers)
{
    std::mt19937 random(3);
    std::bitset<200> model;
    for (unsigned step = 0; step < 3000; ++step) {
        unsigned first = random() % 200, last = random() % 200;
        if (first > last)
            std::swap(first, last);
        const bool adds = random() % 2;
        ASSERT_TRUE((adds ? set.add(first, last) : set.remove(first, last)).ok());
        for (unsigned i = first; i <= last; ++i)
            model[i] = adds;
        u64 previous_end = 0;
        for (const auto& range : set) {
            ASSERT_LE(range.first, range.last);
            ASSERT_TRUE(&range == set.begin() || range.first > previous_end + 1) << "ranges touch";
            previous_end = range.last;
        }
        for (unsigned i = 0; i < 200; ++i)
            ASSERT_EQ(set.contains(i), model[i]) << i;
    }
}

}
}
