// Page types: what a frame may be used as, and that no two uses exclude what must be excluded.

#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>

namespace xylem::test {
namespace {

using mm::PageType;

struct PageTypes : testing::Test {
    Session session;
    FakeGuest guest;
};

TEST_F(PageTypes, APinnedTreeGivesEveryTableItsType)
{
    const auto t = guest.tree();
    const Mfn data = guest.page();
    guest.store(t.l1, 7, entry_for(data, rw));

    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());

    EXPECT_EQ(mm::page_type(t.l4), PageType::l4);
    EXPECT_EQ(mm::page_type(t.l3), PageType::l3);
    EXPECT_EQ(mm::page_type(t.l2), PageType::l2);
    EXPECT_EQ(mm::page_type(t.l1), PageType::l1);
    EXPECT_EQ(mm::page_type(data), PageType::writable);
    EXPECT_EQ(mm::reference_count(data), 2u);
    EXPECT_EQ(mm::reference_count(t.l4), 2u);
    EXPECT_EQ(mm::type_count(t.l1), 1u);
}

TEST_F(PageTypes, UnpinningLeavesNothingBehind)
{
    const auto t = guest.tree();
    const Mfn data = guest.page();
    guest.store(t.l1, 7, entry_for(data, rw));
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());

    ASSERT_TRUE(guest.unpin(t.l4).ok());

    for (Mfn mfn : {t.l4, t.l3, t.l2, t.l1, data}) {
        EXPECT_EQ(mm::type_count(mfn), 0u);
        EXPECT_EQ(mm::reference_count(mfn), 1u);
    }
}

// XSA-148, XSA-182: a frame in use as a page table cannot become writable, neither by a new mapping nor by RW on an old
// one.
TEST_F(PageTypes, APageTableRefusesAWritableMapping)
{
    const auto t = guest.tree();
    const Mfn other = guest.page();
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    ASSERT_TRUE(guest.pin(other, PageType::l1).ok());
    guest.store(other, 0, 0);

    EXPECT_EQ(guest.update(t.l1, 0, entry_for(other, rw)), Error::Busy);
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(other, ro)).ok());
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(other, rw)), Error::Busy);

    for (const Event& write : session.machine.pte_writes())
        EXPECT_FALSE((write.after & pte::frame_mask) == address_of(other).value && (write.after & pte::writable));
}

TEST_F(PageTypes, AWritablyMappedPageDoesNotBecomeAPageTable)
{
    const auto t = guest.tree();
    const Mfn page = guest.page();
    guest.store(t.l1, 0, entry_for(page, rw));
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());

    EXPECT_EQ(guest.pin(page, PageType::l1), Error::Invalid);
    EXPECT_EQ(guest.pin(page, PageType::l2), Error::Invalid);
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(page, ro)).ok());
    EXPECT_TRUE(guest.pin(page, PageType::l1).ok());
}

TEST_F(PageTypes, ATableThatMapsItselfWritableIsRefused)
{
    const Mfn l1 = guest.page();
    guest.store(l1, 3, entry_for(l1, rw));

    EXPECT_EQ(guest.pin(l1, PageType::l1), Error::Busy);

    EXPECT_EQ(mm::type_count(l1), 0u);
    EXPECT_EQ(mm::reference_count(l1), 1u);
    guest.store(l1, 3, entry_for(l1, ro));
    EXPECT_TRUE(guest.pin(l1, PageType::l1).ok());
}

// A writable mapping that is gone from the tables may live on in a TLB: the flush comes before the frame becomes a
// table.
TEST_F(PageTypes, AFormerlyWritablePageIsFlushedBeforeItBecomesATable)
{
    const auto t = guest.tree();
    const Mfn page = guest.page();
    guest.store(t.l1, 0, entry_for(page, rw));
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    ASSERT_TRUE(session.machine.may_be_written_through_tlb(page));

    ASSERT_TRUE(guest.pin(page, PageType::l1).ok());

    EXPECT_FALSE(session.machine.may_be_written_through_tlb(page));
}

TEST_F(PageTypes, NoFlushIsMadeIfTheProcessorHasFlushedSince)
{
    const auto t = guest.tree();
    const Mfn page = guest.page();
    guest.store(t.l1, 0, entry_for(page, rw));
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    session.machine.flush({~u64{0}});
    session.machine.forget_events();

    ASSERT_TRUE(guest.pin(page, PageType::l1).ok());

    EXPECT_EQ(session.machine.count(Event::Kind::flush), 0u);
}

TEST_F(PageTypes, AValidationThatFailsGivesBackWhatItTook)
{
    const auto t = guest.tree();
    const Mfn data = guest.page();
    guest.store(t.l1, 0, entry_for(data, rw));
    guest.store(t.l1, 511, entry_for(data, rw | pte::cache_disable)); // it has no I/O to be uncached for

    EXPECT_EQ(guest.pin(t.l4, PageType::l4), Error::Invalid);

    for (Mfn mfn : {t.l4, t.l3, t.l2, t.l1, data}) {
        EXPECT_EQ(mm::type_count(mfn), 0u) << mfn.value;
        EXPECT_EQ(mm::reference_count(mfn), 1u) << mfn.value;
    }
}

// XSA-299, XSA-310: interrupted at each step in turn, validation and invalidation end with the same counts.
TEST_F(PageTypes, PreemptionAtAnyStepChangesNoCount)
{
    for (unsigned every = 1; every < 20; ++every) {
        const auto t = guest.tree();
        const Mfn second_l3 = guest.page(), second_l2 = guest.page();
        guest.store(t.l4, 300, entry_for(second_l3, table_flags));
        for (unsigned i = 0; i < 5; ++i) {
            guest.store(second_l3, i, entry_for(t.l2, table_flags));
            guest.store(t.l3, 10 + i, entry_for(second_l2, table_flags));
            guest.store(second_l2, i * 3, entry_for(t.l1, table_flags));
        }
        session.machine.preempt_every(every);
        ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
        EXPECT_EQ(mm::type_count(t.l2), 6u);
        EXPECT_EQ(mm::type_count(t.l1), 6u);
        EXPECT_EQ(mm::type_count(second_l2), 5u);
        EXPECT_EQ(mm::reference_count(second_l2), 6u);

        ASSERT_TRUE(guest.unpin(t.l4).ok());
        for (Mfn mfn : {t.l4, t.l3, t.l2, t.l1, second_l3, second_l2}) {
            EXPECT_EQ(mm::type_count(mfn), 0u);
            EXPECT_EQ(mm::reference_count(mfn), 1u);
            ASSERT_TRUE(mm::give_back(guest.owner, mfn).ok());
        }
    }
}

// XSA-290: the way up and the way down ask between tables whether to stop, however large the tree.
TEST_F(PageTypes, ALargeTreeAsksForPreemptionBetweenTables)
{
    constexpr unsigned tables = 200;
    const auto t = guest.tree();
    for (unsigned i = 1; i < tables; ++i)
        guest.store(t.l2, i, entry_for(guest.page(), table_flags));
    session.machine.preempt_every(0);
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    EXPECT_GE(session.machine.preemption_questions(), tables - 1);
    session.machine.preempt_every(0);
    ASSERT_TRUE(guest.unpin(t.l4).ok());
    EXPECT_GE(session.machine.preemption_questions(), tables - 1);
}

TEST_F(PageTypes, AnL1IsValidatedInSteps)
{
    const Mfn l1 = guest.page(), data = guest.page();
    for (unsigned i = 0; i < abi::page_table_entries; ++i)
        guest.store(l1, i, entry_for(data, rw));
    session.machine.preempt_every(1);
    for (const u64 held : {128, 256, 384}) {
        EXPECT_EQ(mm::pin(guest.owner, l1, PageType::l1), Error::Preempted);
        EXPECT_EQ(mm::type_count(data), held);
    }
    EXPECT_TRUE(mm::pin(guest.owner, l1, PageType::l1).ok());
    EXPECT_EQ(mm::type_count(data), abi::page_table_entries);
    EXPECT_EQ(guest.audit(), "");
    ASSERT_TRUE(guest.unpin(l1).ok());
    EXPECT_EQ(mm::reference_count(data), 1u);
}

TEST_F(PageTypes, AnInterruptedValidationThatNobodyResumesGoesWithTheDomain)
{
    FakeGuest other(2);
    const auto t = other.tree();
    other.store(t.l4, 5, entry_for(t.l3, table_flags));
    session.machine.preempt_every(1);
    EXPECT_EQ(mm::pin(other.owner, t.l4, PageType::l4), Error::Preempted);
    other.end();
    EXPECT_TRUE(mm::drained(other.owner));
}

TEST_F(PageTypes, ARootCarriesTheHypervisorsSlotsAndNotWhatTheGuestPutThere)
{
    const auto t = guest.tree();
    guest.store(t.l4, 256, 0x1234567);
    guest.store(t.l4, 265, 0x1234567);
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());

    EXPECT_EQ(guest.entry(t.l4, 256), 0u);
    EXPECT_EQ(guest.entry(t.l4, 265), mm::template_root[265]);
    EXPECT_EQ(xylem::mfn_of(MachineAddress(guest.entry(t.l4, 260))), guest.owner.perdomain_l3);
    EXPECT_EQ(guest.update(t.l4, 256, 0), Error::Invalid);
    EXPECT_EQ(guest.update(t.l4, 271, 0), Error::Invalid);
    EXPECT_TRUE(guest.update(t.l4, 272, 0).ok());
}

TEST_F(PageTypes, TheM2pAppearsInAKernelRootOnly)
{
    const auto t = guest.tree();
    ASSERT_TRUE(mm::take_root(guest.owner, t.l4, mm::RootUse::user).ok());
    EXPECT_EQ(guest.entry(t.l4, 256), 0u);
    ASSERT_TRUE(mm::take_root(guest.owner, t.l4, mm::RootUse::kernel).ok());
    EXPECT_EQ(guest.entry(t.l4, 256), mm::template_root[256]);
    mm::put_root(t.l4);
    mm::put_root(t.l4);
}

TEST_F(PageTypes, UnpinOfARootInUseDropsThePinOnly)
{
    const auto t = guest.tree();
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    ASSERT_TRUE(mm::take_root(guest.owner, t.l4).ok());

    EXPECT_TRUE(guest.unpin(t.l4).ok());
    EXPECT_EQ(mm::page_type(t.l3), PageType::l3);
    EXPECT_EQ(mm::type_count(t.l4), 1u);
    EXPECT_EQ(guest.unpin(t.l4), Error::Invalid);

    mm::put_root(t.l4);
    EXPECT_EQ(mm::type_count(t.l3), 0u);
}

TEST_F(PageTypes, PinningTwiceIsRefused)
{
    const auto t = guest.tree();
    ASSERT_TRUE(guest.pin(t.l4, PageType::l4).ok());
    EXPECT_EQ(guest.pin(t.l4, PageType::l4), Error::Invalid);
    EXPECT_EQ(mm::type_count(t.l4), 1u);
    EXPECT_EQ(guest.pin(t.l4, PageType::l3), Error::Invalid);
}

TEST_F(PageTypes, AnothersFrameIsNoPageTable)
{
    FakeGuest other(2);
    const Mfn theirs = other.page();
    EXPECT_EQ(guest.pin(theirs, PageType::l1), Error::Invalid);
    const auto t = guest.tree();
    guest.store(t.l2, 9, entry_for(theirs, table_flags));
    EXPECT_EQ(guest.pin(t.l4, PageType::l4), Error::Invalid);
}

}
}
