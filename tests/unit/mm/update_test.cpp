// Updates of page-table entries: what is stored, what is refused, and in which order the hardware sees it.

#include "hypervisor/mm/entry_rules.hpp"
#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <array>
#include <atomic>
#include <gtest/gtest.h>
#include <thread>

namespace xylem::test {
namespace {

using mm::AccessedDirty;
using mm::PageType;

constexpr u64 kernel_mark = u64{1} << 52;

struct Updates : testing::Test {
    Updates() : t(guest.tree()), data(guest.page())
    {
        EXPECT_TRUE(guest.pin(t.l4, PageType::l4).ok());
        session.machine.forget_events();
    }
    Session session;
    FakeGuest guest;
    FakeGuest::Tree t;
    Mfn data;
};

TEST_F(Updates, AKernelPageIsStoredAsUserPageWithTheKernelMark)
{
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, pte::present | pte::writable)).ok());
    EXPECT_EQ(guest.entry(t.l1, 0), entry_for(data, pte::present | pte::writable | pte::user | kernel_mark));
}

TEST_F(Updates, AUserPageIsStoredGlobal)
{
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, rw)).ok());
    EXPECT_EQ(guest.entry(t.l1, 0), entry_for(data, rw | pte::global));
}

TEST_F(Updates, AnEntryWithTheKernelMarkStaysAKernelPage)
{
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, rw | kernel_mark)).ok());
    EXPECT_EQ(guest.entry(t.l1, 0), entry_for(data, rw | kernel_mark));
}

TEST_F(Updates, AnEntryThatIsNotPresentIsStoredAsItIs)
{
    ASSERT_TRUE(guest.update(t.l1, 0, 0xfffffffffffffffe).ok());
    EXPECT_EQ(guest.entry(t.l1, 0), 0xfffffffffffffffeu);
    ASSERT_TRUE(guest.update(t.l3, 5, 0x1234567890).ok());
    EXPECT_EQ(guest.entry(t.l3, 5), 0x1234567890u);
}

TEST_F(Updates, CountsFollowTheEntry)
{
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, rw)).ok());
    EXPECT_EQ(mm::reference_count(data), 2u);
    EXPECT_EQ(mm::type_count(data), 1u);
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, ro)).ok());
    EXPECT_EQ(mm::reference_count(data), 2u);
    EXPECT_EQ(mm::type_count(data), 0u);
    const Mfn other = guest.page();
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(other, rw)).ok());
    EXPECT_EQ(mm::reference_count(data), 1u);
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    EXPECT_EQ(mm::reference_count(other), 1u);
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(Updates, ARefusedUpdateChangesNothing)
{
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, rw)).ok());
    const u64 before = guest.entry(t.l1, 0);
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(t.l1, rw)), Error::Busy);
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(data, rw | pte::cache_disable)), Error::Invalid);
    EXPECT_EQ(guest.entry(t.l1, 0), before);
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(Updates, AccessedAndDirtyAreKeptWhereTheGuestAsksForIt)
{
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, rw)).ok());
    constexpr u64 clean = rw & ~(pte::accessed | pte::dirty);
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, clean & ~pte::writable), AccessedDirty::preserve).ok());
    EXPECT_EQ(guest.entry(t.l1, 0) & (pte::accessed | pte::dirty), pte::accessed | pte::dirty);
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, clean & ~pte::writable)).ok());
    EXPECT_EQ(guest.entry(t.l1, 0) & (pte::accessed | pte::dirty), 0u);
}

TEST_F(Updates, AnUpdateOfAPlainPageIsAPlainStore)
{
    const Mfn plain = guest.page();
    ASSERT_TRUE(guest.update(plain, 3, 0xdeadbeefcafe0001).ok());
    EXPECT_EQ(guest.entry(plain, 3), 0xdeadbeefcafe0001u);
    EXPECT_EQ(mm::reference_count(plain), 1u);
}

TEST_F(Updates, AnUpdateOfADescriptorPageIsRefused)
{
    const Mfn gdt = guest.page();
    ASSERT_TRUE(mm::get_page_and_type(gdt, guest.owner.id, PageType::segment_descriptors).take().release() == gdt);
    EXPECT_EQ(guest.update(gdt, 0, 0), Error::Invalid);
    mm::put_page_and_type(gdt);
}

// XSA-148: PSE and RW flipped in a live L2 entry must not slip through as "flags only".
TEST_F(Updates, PseOnALiveL2EntryIsRefused)
{
    const u64 live = guest.entry(t.l2, 0);
    EXPECT_EQ(guest.update(t.l2, 0, live | pte::page_size), Error::Invalid);
    EXPECT_EQ(guest.update(t.l2, 0, (live & ~pte::writable) | pte::page_size), Error::Invalid);
    EXPECT_EQ(guest.entry(t.l2, 0), live);
    for (const Event& write : session.machine.pte_writes())
        EXPECT_FALSE(write.after & pte::page_size);
}

// XSA-182: a read-only linear entry must not gain RW by a change of flags only.
TEST_F(Updates, ALinearEntryCannotBecomeWritable)
{
    const u64 linear = entry_for(t.l4, ro);
    ASSERT_TRUE(guest.update(t.l4, 5, linear).ok());
    EXPECT_EQ(guest.update(t.l4, 5, linear | pte::writable), Error::Invalid);
    EXPECT_EQ(guest.entry(t.l4, 5) & pte::writable, 0u);
    for (const Event& write : session.machine.pte_writes())
        EXPECT_FALSE((write.after & pte::writable) && (write.after & pte::frame_mask) == address_of(t.l4).value);
    ASSERT_TRUE(guest.update(t.l4, 5, 0).ok());
}

TEST_F(Updates, ForbiddenFlagsOfEachLevelAreRefused)
{
    const Mfn next[] = {t.l1, t.l2, t.l3};
    const Mfn tables[] = {t.l2, t.l3, t.l4};
    for (unsigned i = 0; i < 3; ++i)
        for (u64 flag : {pte::page_size, pte::write_through, pte::cache_disable, pte::global})
            EXPECT_EQ(guest.update(tables[i], 9, entry_for(next[i], table_flags | flag)), Error::Invalid)
                << i << " " << flag;
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(Updates, AnEntryOfAHigherLevelIsAlwaysUser)
{
    ASSERT_TRUE(guest.update(t.l3, 4, entry_for(t.l2, pte::present)).ok());
    EXPECT_EQ(guest.entry(t.l3, 4), entry_for(t.l2, pte::present | pte::user));
    ASSERT_TRUE(guest.update(t.l4, 4, entry_for(t.l3, pte::present)).ok());
    EXPECT_EQ(guest.entry(t.l4, 4), entry_for(t.l3, pte::present | pte::user | pte::accessed));
}

// The new entry's references are taken before it is seen, the old one's given back after.
TEST_F(Updates, TheOldTableIsGivenUpOnlyAfterTheEntryHasChanged)
{
    const Mfn fresh = guest.page();
    session.machine.forget_events();
    ASSERT_TRUE(guest.update(t.l2, 0, entry_for(fresh, table_flags)).ok());
    const auto writes = session.machine.pte_writes();
    ASSERT_EQ(writes.size(), 1u);
    EXPECT_EQ(writes[0].before, entry_for(t.l1, table_flags));
    EXPECT_EQ(mm::page_type(fresh), PageType::l1);
    EXPECT_EQ(mm::type_count(t.l1), 0u);
}

TEST_F(Updates, AChangeOfALivePageDirectoryAsksForAFlush)
{
    const mm::Parties parties{.tables = guest.owner, .data = guest.owner, .caller = guest.owner};
    const auto update = [&](unsigned index, u64 value) {
        mm::FlushNeeded flush = mm::FlushNeeded::none;
        EXPECT_TRUE(mm::update_entry(parties, entry_address(t.l2, index), value, AccessedDirty::replace, flush).ok());
        return flush;
    };
    const Mfn fresh = guest.page();
    EXPECT_EQ(update(7, entry_for(fresh, table_flags)), mm::FlushNeeded::none);
    EXPECT_EQ(update(7, 0), mm::FlushNeeded::all_of_owner);
}

TEST_F(Updates, IoMemoryNeedsPermission)
{
    const u64 io = entry_for(FakeMachine::io_frame, rw);
    EXPECT_EQ(guest.update(t.l1, 0, io), Error::NotPermitted);
    ASSERT_TRUE(guest.owner.io_memory.add(FakeMachine::io_frame.value, FakeMachine::io_frame.value).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, io).ok());
    EXPECT_EQ(guest.entry(t.l1, 0) & pte::cache_bits, pte::write_through | pte::cache_disable) << "it is never cached";
    EXPECT_EQ(guest.update(t.l1, 1, ~u64{0} & ~pte::cache_bits), Error::Invalid) << "the frame number of all ones";
}

TEST_F(Updates, CachingOfIoMemoryMayBeChosenAmongTheUncachedTypes)
{
    guest.owner.cache_control = true;
    ASSERT_TRUE(guest.owner.io_memory.add(0xfe000, 0xfefff).ok());
    const struct {
        u64 asked, stored;
    } cases[] = {{0, pte::write_through | pte::cache_disable},
                 {pte::write_through, pte::write_through | pte::cache_disable},
                 {pte::cache_disable, pte::cache_disable},
                 {pte::pat, pte::pat},
                 {pte::pat | pte::write_through, pte::cache_bits}};
    for (const auto& c : cases) {
        ASSERT_TRUE(guest.update(t.l1, 0, entry_for(FakeMachine::io_frame, rw | c.asked)).ok());
        EXPECT_EQ(guest.entry(t.l1, 0) & pte::cache_bits, c.stored);
    }
}

TEST_F(Updates, ReadOnlyIoMemoryLosesItsWritability)
{
    ASSERT_TRUE(guest.owner.io_memory.add(0xfe000, 0xfefff).ok());
    ASSERT_TRUE(mm::read_only_io_memory().add(FakeMachine::io_frame.value, FakeMachine::io_frame.value).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(FakeMachine::io_frame, rw)).ok());
    EXPECT_FALSE(guest.entry(t.l1, 0) & pte::writable);
    mm::read_only_io_memory().clear();
}

TEST_F(Updates, AFrameOfTheHypervisorCannotBeMapped)
{
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(FakeMachine::low_start, ro)), Error::Busy);
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(guest.owner.perdomain_l3, ro)), Error::Busy);
}

TEST_F(Updates, AnUnprivilegedDomainCannotMapAnothersFrame)
{
    FakeGuest other(2);
    const Mfn theirs = other.page();
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(theirs, ro)), Error::Busy);
}

TEST_F(Updates, AForeignMappingHoldsTheFrameUntilItGoes)
{
    guest.owner.privileged = true;
    {
        FakeGuest other(2);
        const Mfn theirs = other.page();
        ASSERT_TRUE(guest.update_for(other.owner, t.l1, 0, entry_for(theirs, rw)).ok());
        EXPECT_EQ(guest.update(t.l1, 1, entry_for(theirs, rw)), Error::Busy) << "named as its own";
        other.end();
        EXPECT_FALSE(mm::drained(other.owner));
        ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
        EXPECT_TRUE(mm::drained(other.owner));
    }
    EXPECT_EQ(guest.audit(), "");
}

// The mapper's processors are not among the owner's: the flush before a change of type must reach them all the same.
TEST_F(Updates, AFormerForeignMappingIsFlushedWhereverItMayBeCached)
{
    session.machine.set_cpu_count(2);
    guest.owner.privileged = true;
    FakeGuest other(2);
    other.owner.dirty_cpus = CpuMask::of(CpuId(0));
    const Mfn theirs = other.page();
    ASSERT_TRUE(guest.update_for(other.owner, t.l1, 0, entry_for(theirs, rw)).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    ASSERT_TRUE(session.machine.may_be_written_through_tlb(theirs, CpuId(1)));

    ASSERT_TRUE(other.pin(theirs, PageType::l1).ok());
    EXPECT_FALSE(session.machine.may_be_written_through_tlb(theirs));
}

TEST_F(Updates, UncachedMappingsOfSharedHypervisorFramesAreRefused)
{
    guest.owner.cache_control = true;
    const Mfn shared = mm::allocate_frame().take();
    ASSERT_TRUE(mm::share_hypervisor_frame(guest.owner, shared, mm::Writable::yes).ok());
    EXPECT_EQ(guest.update(t.l1, 0, entry_for(shared, rw | pte::cache_disable)), Error::Access);
    EXPECT_TRUE(guest.update(t.l1, 0, entry_for(shared, rw)).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    mm::unshare_hypervisor_frame(guest.owner, shared);
    mm::free_frame(shared);
}

TEST_F(Updates, APageMappedUncachedIsWrittenBackBeforeItBecomesATable)
{
    guest.owner.cache_control = true;
    ASSERT_TRUE(guest.update(t.l1, 0, entry_for(data, rw | pte::pat)).ok());
    ASSERT_TRUE(guest.update(t.l1, 0, 0).ok());
    session.machine.forget_events();
    ASSERT_TRUE(guest.pin(data, PageType::l1).ok());
    EXPECT_EQ(session.machine.count(Event::Kind::cache_flush), 1u);
}

TEST_F(Updates, AMisalignedEntryIsRefused)
{
    const mm::Parties parties{.tables = guest.owner, .data = guest.owner, .caller = guest.owner};
    mm::FlushNeeded flush{};
    for (u64 offset = 1; offset < 8; ++offset)
        EXPECT_FALSE(mm::update_entry(parties, address_of(t.l1) + offset, 0, AccessedDirty::replace, flush).ok());
    EXPECT_FALSE(mm::update_entry(parties, MachineAddress(~u64{7}), 0, AccessedDirty::replace, flush).ok());
}

// ---- Emulated writes

TEST_F(Updates, AnEmulatedWriteIsValidatedAsAnUpdate)
{
    EXPECT_EQ(mm::emulate_pte_write(guest.owner, t.l1, 0, 0, entry_for(t.l2, rw)), Error::Busy);
    ASSERT_TRUE(mm::emulate_pte_write(guest.owner, t.l1, 0, 0, entry_for(data, rw)).ok());
    EXPECT_EQ(mm::type_count(data), 1u);
    const u64 stored = guest.entry(t.l1, 0);
    EXPECT_EQ(mm::emulate_pte_write(guest.owner, t.l1, 0, stored ^ pte::dirty, 0), Error::Again);
    ASSERT_TRUE(mm::emulate_pte_write(guest.owner, t.l1, 0, stored, stored & ~pte::writable).ok());
    EXPECT_EQ(mm::type_count(data), 0u);
    EXPECT_EQ(mm::emulate_pte_write(guest.owner, t.l2, 0, guest.entry(t.l2, 0), 0), Error::Invalid) << "only L1 tables";
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(Updates, AWriteToReadOnlyMappedL1IsFoundByTheWalk)
{
    const u64 address = 5 << page_shift;
    ASSERT_TRUE(guest.update(t.l1, 5, entry_for(t.l1, ro)).ok());
    ASSERT_TRUE(guest.update(t.l1, 6, entry_for(t.l2, ro)).ok());
    const MachineAddress root = address_of(t.l4);
    EXPECT_EQ(mm::page_table_behind(guest.owner, root, VirtualAddress(address)).take(), t.l1);
    EXPECT_FALSE(mm::page_table_behind(guest.owner, root, VirtualAddress(6 << page_shift)).ok())
        << "an L2 is never written";
    EXPECT_FALSE(mm::page_table_behind(guest.owner, root, VirtualAddress(7 << page_shift)).ok());
    EXPECT_FALSE(mm::page_table_behind(guest.owner, root, VirtualAddress(u64{1} << 39)).ok());
}

TEST_F(Updates, TheWalkStopsAtTheHypervisorsHoleAndAtMissingTables)
{
    const MachineAddress root = address_of(t.l4);
    EXPECT_EQ(mm::find_l1_entry(root, VirtualAddress(3 << page_shift)).take(), entry_address(t.l1, 3));
    EXPECT_FALSE(mm::find_l1_entry(root, VirtualAddress(0xffff800000000000)).ok());
    EXPECT_FALSE(mm::find_l1_entry(root, VirtualAddress(0xffff87ffffffffff)).ok());
    EXPECT_FALSE(mm::find_l1_entry(root, VirtualAddress(0x0000800000000000)).ok());
    EXPECT_FALSE(mm::find_l1_entry(root, VirtualAddress(u64{1} << 30)).ok());
}

// ---- Two processors

// Whatever two processors do to the same entries, in the end the counts are those of the tables.
TEST_F(Updates, ConcurrentUpdatesOfTheSameEntriesKeepTheCounts)
{
    session.machine.set_cpu_count(2);
    const Mfn pages[] = {guest.page(), guest.page(), guest.page()};
    const auto work = [&](unsigned cpu) {
        session.machine.run_as(CpuId(cpu));
        unsigned state = cpu + 1;
        for (unsigned i = 0; i < 5000; ++i) {
            state = state * 1103515245 + 12345;
            const u64 value = state >> 16 & 1 ? entry_for(pages[state >> 17 & 1], state >> 18 & 1 ? rw : ro) : 0;
            const mm::Parties parties{.tables = guest.owner, .data = guest.owner, .caller = guest.owner};
            (void)mm::update_l1_entry(parties, t.l1, state >> 20 & 3, value, AccessedDirty::replace).ok();
            if (i % 16 == 0 && mm::pin(guest.owner, pages[2], PageType::l1).ok())
                (void)mm::unpin(guest.owner, pages[2]).ok();
        }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    EXPECT_EQ(guest.audit(), "");
}

TEST_F(Updates, ConcurrentPinsAndUnpinsOfOneTreeKeepTheCounts)
{
    session.machine.set_cpu_count(2);
    session.machine.preempt_every(7);
    const auto other_tree = guest.tree();
    guest.store(other_tree.l4, 3, entry_for(t.l3, table_flags));
    const auto work = [&](unsigned cpu) {
        session.machine.run_as(CpuId(cpu));
        for (unsigned i = 0; i < 300; ++i) {
            (void)guest.pin(other_tree.l4, PageType::l4).ok();
            (void)guest.unpin(other_tree.l4).ok();
        }
    };
    std::thread other(work, 1);
    work(0);
    other.join();
    session.machine.preempt_every(0);
    while (!mm::finish_pending(guest.owner).ok()) {
    }
    EXPECT_EQ(guest.audit(), "");
    EXPECT_EQ(mm::type_count(t.l3), 1u + mm::is_pinned(other_tree.l4));
}

// Two processors may take over each other's interrupted invalidations. Whoever has unpinned a tree makes its pages
// writable next, and must not be told that all is done while the other is still at work on it.
TEST_F(Updates, AnUnpinnedTreeIsOneNoMoreWhenTheCallEnds)
{
    session.machine.set_cpu_count(2);
    session.machine.preempt_every(3);
    std::atomic<unsigned> left_typed = 0;
    const auto work = [&](unsigned cpu, const FakeGuest::Tree& tree) {
        session.machine.run_as(CpuId(cpu));
        for (unsigned i = 0; i < 20000; ++i) {
            (void)guest.pin(tree.l4, PageType::l4).ok();
            (void)guest.unpin(tree.l4).ok();
            left_typed += mm::type_count(tree.l4) || mm::type_count(tree.l3) || mm::type_count(tree.l1);
        }
    };
    const auto trees = std::array{guest.tree(), guest.tree()};
    for (const FakeGuest::Tree& tree : trees) // an invalidation is interrupted before a further entry
        for (unsigned index = 1; index < 4; ++index)
            guest.store(tree.l2, index, entry_for(guest.page(), table_flags));
    std::thread other(work, 1, trees[1]);
    work(0, trees[0]);
    other.join();
    EXPECT_EQ(left_typed, 0u);
    EXPECT_EQ(guest.audit(), "");
}

}
}
