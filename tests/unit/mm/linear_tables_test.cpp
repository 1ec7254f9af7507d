// Linear page tables: entries that lead to a table of their own level, so that a guest sees its tables as data (NetBSD
// does).

#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>

namespace xylem::test {
namespace {

using mm::PageType;

struct LinearTables : testing::Test {
    Session session;
    FakeGuest guest;

    /// An L4 of its own, pinned.
    Mfn root()
    {
        const Mfn l4 = guest.page();
        EXPECT_TRUE(guest.pin(l4, PageType::l4).ok());
        return l4;
    }
};

TEST_F(LinearTables, ASelfMapIsAcceptedReadOnlyAndHoldsNothing)
{
    for (unsigned level = 2; level <= 4; ++level) {
        const Mfn table = guest.page();
        guest.store(table, 9, entry_for(table, ro));
        ASSERT_TRUE(guest.pin(table, mm::page_table_type(level)).ok()) << level;
        EXPECT_EQ(mm::type_count(table), 1u);
        EXPECT_EQ(mm::reference_count(table), 2u);
        ASSERT_TRUE(guest.unpin(table).ok());
        EXPECT_EQ(mm::reference_count(table), 1u);
        guest.store(table, 9, entry_for(table, rw));
        EXPECT_EQ(guest.pin(table, mm::page_table_type(level)), Error::Invalid) << "writable, level " << level;
    }
}

TEST_F(LinearTables, AnotherTableOfTheSameLevelIsHeld)
{
    const Mfn from = root(), to = root();
    ASSERT_TRUE(guest.update(from, 3, entry_for(to, ro)).ok());
    EXPECT_EQ(mm::type_count(to), 2u);
    EXPECT_EQ(guest.audit(), "");
    ASSERT_TRUE(guest.update(from, 3, 0).ok());
    EXPECT_EQ(mm::type_count(to), 1u);
}

// XSA-240: tables that are linear into each other would keep each other alive.
TEST_F(LinearTables, ChainsAndRingsAreRefused)
{
    const Mfn a = root(), b = root(), c = root();
    ASSERT_TRUE(guest.update(a, 3, entry_for(b, ro)).ok());
    EXPECT_EQ(guest.update(b, 3, entry_for(a, ro)), Error::Invalid) << "a ring";
    EXPECT_EQ(guest.update(b, 3, entry_for(c, ro)), Error::Invalid) << "a target that is linear itself";
    EXPECT_EQ(guest.update(c, 3, entry_for(a, ro)), Error::Invalid) << "into one that is linear";
    EXPECT_TRUE(guest.update(c, 3, entry_for(b, ro)).ok());
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(LinearTables, ATableThatIsNotValidatedIsNoTarget)
{
    const Mfn a = root(), plain = guest.page();
    guest.store(plain, 0, 0x1ff); // no valid L3 either
    EXPECT_EQ(guest.update(a, 3, entry_for(plain, ro)), Error::Invalid);
    EXPECT_EQ(mm::reference_count(plain), 1u);
}

TEST_F(LinearTables, TheEndOfTheDomainTakesThemApart)
{
    const Mfn a = root(), b = root();
    ASSERT_TRUE(guest.update(a, 3, entry_for(b, ro)).ok());
    ASSERT_TRUE(guest.update(a, 4, entry_for(a, ro)).ok());
    guest.end();
    EXPECT_TRUE(mm::drained(guest.owner));
}

}
}
