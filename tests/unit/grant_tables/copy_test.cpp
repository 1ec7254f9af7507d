// Copying, and operations on a table as a whole.

#include "tests/unit/grant_tables/grant_domain.hpp"

#include <cstring>

namespace xylem::grant_tables::test {

using xylem::test::FakeMachine;
using xylem::test::Session;

namespace {

class Copying : public testing::Test {
protected:
    Session session;
    GrantDomain granter{1}, user{2};
    Mfn theirs = granter.page(), own = user.page();
    static constexpr u32 ref = 20;
    static u8* bytes(Mfn mfn) { return machine::map(mfn); }
};

TEST_F(Copying, BytesGoFromAGrantToTheUsersPageAndBack)
{
    granter.grant(ref, theirs, user);
    for (unsigned i = 0; i < page_size; ++i)
        bytes(theirs)[i] = static_cast<u8>(i);
    {
        CopyPage from, to;
        ASSERT_EQ(from.take_granted(granter.grants, ref, user.owner.id, Access::read_only), Status::okay);
        ASSERT_EQ(to.take_own(user.owner.id, own, Access::writable), Status::okay);
        EXPECT_EQ(granter.marks(ref), abi::gtf_reading);
        EXPECT_EQ(copy_bytes(from, 100, to, 4000, 96), Status::okay);
        EXPECT_EQ(copy_bytes(from, 100, to, 4001, 96), Status::bad_copy_arg);
        EXPECT_EQ(copy_bytes(from, 4095, to, 0, 2), Status::bad_copy_arg);
        EXPECT_EQ(copy_bytes(from, 0xFFFF, to, 0, 0xFFFF), Status::bad_copy_arg);
        EXPECT_EQ(copy_bytes(from, 0, to, 0, 0), Status::okay);
    }
    EXPECT_EQ(memcmp(bytes(own) + 4000, bytes(theirs) + 100, 96), 0);
    EXPECT_EQ(bytes(own)[3999], 0);
    EXPECT_EQ(granter.marks(ref), 0);
    EXPECT_EQ(mm::reference_count(theirs), 1u);
    EXPECT_EQ(mm::type_count(own), 0u);
}

TEST_F(Copying, OneFrameMayBeSourceAndDestination)
{
    granter.grant(ref, theirs, user);
    for (unsigned i = 0; i < 64; ++i)
        bytes(theirs)[i] = static_cast<u8>(i);
    CopyPage from, to;
    ASSERT_EQ(from.take_granted(granter.grants, ref, user.owner.id, Access::read_only), Status::okay);
    ASSERT_EQ(to.take_granted(granter.grants, ref, user.owner.id, Access::writable), Status::okay);
    EXPECT_EQ(granter.marks(ref), abi::gtf_reading | abi::gtf_writing);
    EXPECT_EQ(copy_bytes(from, 0, to, 8, 56), Status::okay);
    EXPECT_EQ(bytes(theirs)[63], 55);
    to.put();
    EXPECT_EQ(granter.marks(ref), abi::gtf_reading) << "the other side still reads (XSA-230)";
}

TEST_F(Copying, WhatMayNotBeCopiedIsRefused)
{
    CopyPage side;
    EXPECT_EQ(side.take_granted(granter.grants, ref, user.owner.id, Access::read_only), Status::general_error);
    EXPECT_EQ(side.take_granted(granter.grants, 9999, user.owner.id, Access::read_only), Status::bad_gntref);
    granter.grant(ref, theirs, user, abi::gtf_readonly);
    EXPECT_EQ(side.take_granted(granter.grants, ref, user.owner.id, Access::writable), Status::general_error);
    granter.grant(ref, granter.l1, user);
    EXPECT_EQ(side.take_granted(granter.grants, ref, user.owner.id, Access::writable), Status::general_error)
        << "a page table";
    EXPECT_EQ(granter.marks(ref), 0);
    EXPECT_EQ(side.take_granted(granter.grants, ref, user.owner.id, Access::read_only), Status::okay);
    side.put();
    EXPECT_EQ(side.take_own(user.owner.id, theirs, Access::read_only), Status::bad_page);
    EXPECT_EQ(side.take_own(user.owner.id, FakeMachine::io_frame, Access::read_only), Status::bad_page);
    EXPECT_EQ(side.take_own(user.owner.id, Mfn(~u64{0}), Access::writable), Status::bad_page);
    EXPECT_EQ(side.take_own(user.owner.id, user.l4, Access::writable), Status::general_error);
    EXPECT_EQ(mm::reference_count(theirs), 1u);
}

TEST_F(Copying, HeldPagesMoveAndAreGivenBackOnce)
{
    granter.grant(ref, theirs, user);
    CopyPage first;
    ASSERT_EQ(first.take_granted(granter.grants, ref, user.owner.id, Access::writable), Status::okay);
    CopyPage second = std::move(first);
    EXPECT_EQ(mm::type_count(theirs), 1u);
    first = std::move(second);
    EXPECT_EQ(first.take_own(user.owner.id, own, Access::writable), Status::okay) << "gives back what it held";
    EXPECT_EQ(granter.marks(ref), 0);
    EXPECT_EQ(mm::type_count(theirs), 0u);
    first.put();
    first.put();
    EXPECT_EQ(mm::reference_count(own), 1u);
}

// ---- Tables

TEST_F(Copying, TableGrowsToItsLimitAndItsFramesAreTheOwnersToMap)
{
    GrantDomain domain{3, 3};
    EXPECT_EQ(frame_count(domain.grants), 1u);
    EXPECT_EQ(frame_limit(domain.grants), 3u);
    const Mfn third = domain.grants.shared_frame(2).value();
    EXPECT_EQ(frame_count(domain.grants), 3u);
    EXPECT_EQ(domain.grants.shared_frame(2).value(), third);
    EXPECT_EQ(domain.grants.shared_frame(3).error(), Error::Invalid);
    EXPECT_EQ(domain.grants.shared_frame(~u32{0}).error(), Error::Invalid);
    EXPECT_EQ(mm::frame(third).owner, domain.owner.id);
    ASSERT_TRUE(
        domain.write_pte(0, address_of(third).value | abi::pte::present | abi::pte::writable | abi::pte::user).ok());
    domain.grant(2 * entries_per_frame + 7, domain.page(), user);
    const auto op = user.map(domain, 2 * entries_per_frame + 7, 0);
    EXPECT_EQ(op.status, Status::okay);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
}

TEST_F(Copying, FramesBeyondTheHypervisorsOwnLimitAreNotGiven)
{
    GrantDomain greedy{3, 100000, 100000};
    EXPECT_EQ(frame_limit(greedy.grants), max_frames);
}

TEST_F(Copying, EntriesNotInUseCanBeSwapped)
{
    granter.grant(9, theirs, user);
    granter.entry(10) = {};
    EXPECT_EQ(swap_entries(granter.grants, 9, 9999), Status::bad_gntref);
    EXPECT_EQ(swap_entries(granter.grants, 9, 10), Status::okay);
    EXPECT_EQ(granter.entry(10).frame, theirs.value);
    EXPECT_EQ(granter.entry(9).flags, 0);
    const auto op = user.map(granter, 10, 0);
    EXPECT_EQ(swap_entries(granter.grants, 9, 10), Status::eagain);
    EXPECT_EQ(swap_entries(granter.grants, 10, 10), Status::okay);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
}

TEST_F(Copying, IdleTableCostsOneFrameAndUseAnother)
{
    const u64 before = mm::free_frame_count();
    Table table;
    mm::Owner owner;
    owner.id = DomId(9);
    mm::register_owner(owner);
    ASSERT_TRUE(table.initialise(owner.id, owner, 64, 1024).ok());
    EXPECT_EQ(before - mm::free_frame_count(), 1u);
    table.free_storage();
    mm::unregister_owner(owner);
    EXPECT_EQ(before, mm::free_frame_count());
}

}

}
