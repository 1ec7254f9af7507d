// Mapping and unmapping one grant at a time: statuses, marks, references, and what a hostile guest may try.

#include "tests/unit/grant_tables/grant_domain.hpp"

namespace xylem::grant_tables::test {

using xylem::test::FakeMachine;
using xylem::test::Session;

namespace {

class Mapping : public testing::Test {
protected:
    Session session;
    GrantDomain granter{1}, user{2}, stranger{3};
    Mfn shared = granter.page();
    static constexpr u32 ref = 20;

    void expect_untouched(Mfn mfn)
    {
        EXPECT_EQ(mm::reference_count(mfn), 1u);
        EXPECT_EQ(mm::type_count(mfn), 0u);
    }
};

TEST_F(Mapping, WritableMappingHoldsFrameAndTypeAndMarksTheEntry)
{
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 5);
    ASSERT_EQ(op.status, Status::okay);
    EXPECT_EQ(op.dev_bus_addr, address_of(shared).value);
    EXPECT_TRUE(user.maps(5, shared));
    EXPECT_TRUE(user.pte(5) & abi::pte::writable);
    EXPECT_TRUE(user.pte(5) & abi::pte::no_execute);
    EXPECT_TRUE(user.pte(5) & abi::pte::guest_kernel)
        << "a page of the guest's kernel, since application_map is not set";
    EXPECT_EQ(granter.marks(ref), abi::gtf_reading | abi::gtf_writing);
    EXPECT_EQ(mm::reference_count(shared), 3u) << "its owner's, the handle's, the entry's";
    EXPECT_EQ(mm::page_type(shared), mm::PageType::writable);
    EXPECT_EQ(mm::type_count(shared), 1u);
    EXPECT_FALSE(granter.revoke(ref));

    EXPECT_EQ(user.unmap(op.handle, 5), Status::okay);
    EXPECT_EQ(user.pte(5), 0u);
    EXPECT_EQ(granter.marks(ref), 0);
    expect_untouched(shared);
    EXPECT_TRUE(granter.revoke(ref));
}

TEST_F(Mapping, ReadOnlyMappingTakesNoTypeAndIsMarkedAsRead)
{
    granter.grant(ref, shared, user, abi::gtf_readonly);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error) << "writable";
    EXPECT_EQ(granter.marks(ref), 0);
    const auto op =
        user.map(granter, ref, 0, readonly_map | (5u << abi::gntmap_guest_avail0) | abi::gntmap_application_map);
    ASSERT_EQ(op.status, Status::okay);
    EXPECT_FALSE(user.pte(0) & abi::pte::writable);
    EXPECT_EQ((user.pte(0) & abi::pte::available) >> abi::pte::available_shift, 5u);
    EXPECT_FALSE(user.pte(0) & abi::pte::guest_kernel);
    EXPECT_EQ(granter.marks(ref), abi::gtf_reading);
    EXPECT_EQ(mm::type_count(shared), 0u);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    expect_untouched(shared);
}

TEST_F(Mapping, RefusalsComeInXensOrderAndLeaveNothing)
{
    abi::GnttabMapGrantRef op{};
    op.ref = ref;
    grant_tables::map(user.mapper(), granter.grants, op);
    EXPECT_EQ(op.status, Status::bad_gntref) << "neither for host nor device";
    EXPECT_EQ(user.map(granter, entries_per_frame, 0).status, Status::bad_gntref);
    EXPECT_EQ(user.map(granter, ~u32{0}, 0).status, Status::bad_gntref);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error) << "the entry grants nothing";
    granter.grant(ref, shared, stranger);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error) << "to another";
    granter.grant(ref, shared, user, abi::gtf_sub_page);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error);
    granter.entry(ref).flags = abi::gtf_accept_transfer;
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error);
    granter.grant(ref, FakeMachine::io_frame, user);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::bad_page);
    granter.grant(ref, Mfn(0xFFFF'FFFF), user);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::bad_page);
    granter.grant(ref, stranger.page(), user);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::bad_page) << "not the granter's to grant";
    EXPECT_EQ(granter.marks(ref), 0);
    granter.grant(ref, shared, user);
    const auto good = user.map(granter, ref, 0);
    EXPECT_EQ(good.status, Status::okay);
    EXPECT_EQ(good.handle, 0u) << "no failed attempt kept a handle";
    EXPECT_EQ(user.unmap(good.handle, 0), Status::okay);
}

// XSA-226: a transitive grant leads to another's grant, and that to the next. There are none here.
TEST_F(Mapping, TransitiveGrantIsRefusedToMappersAndCopiers)
{
    granter.grant(ref, shared, user);
    granter.entry(ref).flags = abi::gtf_transitive;
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error);
    EXPECT_EQ(user.map(granter, ref, 0, readonly_map).status, Status::general_error);
    CopyPage side;
    EXPECT_EQ(side.take_granted(granter.grants, ref, user.owner.id, Access::read_only), Status::general_error);
    EXPECT_EQ(granter.marks(ref), 0);
    expect_untouched(shared);
}

// A frame that somebody uses as a page table must never be mapped writable, by any path.
TEST_F(Mapping, PageTableCanBeGrantedForReadingOnly)
{
    granter.grant(ref, granter.l1, user);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error);
    EXPECT_EQ(user.map(granter, ref, 0, abi::gntmap_device_map).status, Status::general_error);
    EXPECT_EQ(granter.marks(ref), 0);
    for (const auto& write : session.machine.pte_writes())
        EXPECT_FALSE((write.after & abi::pte::writable) &&
                     mfn_of(MachineAddress(write.after & abi::pte::frame_mask)) == granter.l1)
            << "it was mapped writable for a moment";
    const auto op = user.map(granter, ref, 0, readonly_map);
    EXPECT_EQ(op.status, Status::okay);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
}

TEST_F(Mapping, FrameMappedByGrantCannotBecomeAPageTable)
{
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 0);
    EXPECT_FALSE(mm::pin(granter.owner, shared, mm::PageType::l1).ok());
    abi::GnttabUnmapGrantRef unmap{user.address(0), 0, op.handle, Status::okay};
    Unmapped unmapped;
    EXPECT_EQ(grant_tables::unmap(user.mapper(), unmap, unmapped), Status::okay);
    EXPECT_EQ(user.pte(0), 0u);
    // The entry has gone, but a processor of the user may still have its translation.
    EXPECT_FALSE(mm::pin(granter.owner, shared, mm::PageType::l1).ok());
    EXPECT_NE(granter.marks(ref), 0);
    machine::flush_tlb(user.owner.dirty_cpus);
    EXPECT_FALSE(session.machine.may_be_written_through_tlb(shared));
    finish_unmap(user.grants, unmapped);
    EXPECT_TRUE(mm::pin(granter.owner, shared, mm::PageType::l1).ok());
    EXPECT_TRUE(mm::unpin(granter.owner, shared).ok());
}

// XSA-227: a page-table entry's address that is not one.
TEST_F(Mapping, AddressOfAnEntryMustBeAnEntryOfTheUsersOwnL1)
{
    granter.grant(ref, shared, user);
    const u64 good = user.entry_address(7).value;
    abi::GnttabMapGrantRef op{};
    op.flags = abi::gntmap_host_map | abi::gntmap_contains_pte;
    op.ref = ref;
    const u64 bad[] = {good + 1,
                       good + 4,
                       good + 7,
                       granter.entry_address(0).value,
                       address_of(user.l2).value,
                       address_of(user.l4).value,
                       address_of(user.page()).value,
                       address_of(shared).value,
                       address_of(FakeMachine::io_frame).value,
                       ~u64{7},
                       ~u64{0},
                       0};
    for (const u64 address : bad) {
        op.host_addr = address;
        grant_tables::map(user.mapper(), granter.grants, op);
        EXPECT_EQ(op.status, Status::general_error) << std::hex << address;
        EXPECT_EQ(granter.marks(ref), 0);
        expect_untouched(shared);
    }
    op.host_addr = good;
    grant_tables::map(user.mapper(), granter.grants, op);
    EXPECT_EQ(op.status, Status::okay);
    EXPECT_TRUE(user.maps(7, shared));
    EXPECT_EQ(user.unmap({user.address(7), 0, op.handle, Status::okay}), Status::general_error) << "not by an address";
    EXPECT_EQ(user.unmap({good + 8, 0, op.handle, Status::okay}), Status::general_error);
    EXPECT_EQ(user.unmap({good + 1, 0, op.handle, Status::okay}), Status::general_error);
    EXPECT_EQ(user.unmap({good, 0, op.handle, Status::okay}), Status::okay);
    expect_untouched(shared);
}

TEST_F(Mapping, VirtualAddressMustHaveAnL1Table)
{
    granter.grant(ref, shared, user);
    abi::GnttabMapGrantRef op{};
    op.flags = abi::gntmap_host_map;
    op.ref = ref;
    for (const u64 address : {u64{0}, GrantDomain::window + 0x20'0000, u64{0xFFFF'8000'0000'0000},
                              u64{0x8000'0000'0000}, u64{0xFFFF'8200'0000'0000}, ~u64{0}}) {
        op.host_addr = address;
        grant_tables::map(user.mapper(), granter.grants, op);
        EXPECT_EQ(op.status, Status::general_error) << std::hex << address;
    }
    expect_untouched(shared);
}

TEST_F(Mapping, EntryThatWasThereGivesItsReferencesBack)
{
    const Mfn old = user.page();
    constexpr u64 flags = abi::pte::present | abi::pte::writable | abi::pte::user;
    ASSERT_TRUE(user.write_pte(3, address_of(old).value | flags).ok());
    EXPECT_EQ(mm::type_count(old), 1u);
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 3);
    EXPECT_EQ(op.status, Status::okay);
    expect_untouched(old);
    EXPECT_EQ(user.unmap(op.handle, 3), Status::okay);
}

TEST_F(Mapping, UnmapOfWhatIsNoHandleIsRefused)
{
    EXPECT_EQ(user.unmap(0, 0), Status::bad_handle);
    EXPECT_EQ(user.unmap(~u32{0}, 0), Status::bad_handle);
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 0);
    EXPECT_EQ(user.unmap(op.handle + 1, 0), Status::bad_handle);
    EXPECT_EQ(stranger.unmap(op.handle, 0), Status::bad_handle) << "another's";
    EXPECT_EQ(user.unmap({0, 0, op.handle, Status::okay}), Status::okay) << "nothing asked, nothing done";
    EXPECT_TRUE(user.maps(0, shared));
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::bad_handle) << "twice";
    expect_untouched(shared);
}

// XSA-234: unmapping through another entry, of other permissions, gave back references that were not held.
TEST_F(Mapping, UnmapThroughAnEntryOfOtherWritabilityIsRefused)
{
    granter.grant(ref, shared, user);
    const auto writable = user.map(granter, ref, 0);
    const auto readable = user.map(granter, ref, 1, readonly_map);
    EXPECT_EQ(user.unmap(readable.handle, 0), Status::general_error);
    EXPECT_EQ(user.unmap(writable.handle, 1), Status::general_error);
    EXPECT_EQ(user.unmap(writable.handle, 2), Status::general_error) << "an empty one";
    EXPECT_EQ(mm::reference_count(shared), 5u);
    EXPECT_EQ(mm::type_count(shared), 1u);
    EXPECT_EQ(user.unmap(writable.handle, 0), Status::okay);
    EXPECT_EQ(granter.marks(ref), abi::gtf_reading);
    EXPECT_EQ(user.unmap(readable.handle, 1), Status::okay);
    expect_untouched(shared);
}

// Two entries of the same grant may be unmapped crosswise: the sums stay right.
TEST_F(Mapping, SameGrantMappedTwiceMayBeUnmappedCrosswise)
{
    granter.grant(ref, shared, user);
    const auto first = user.map(granter, ref, 0), second = user.map(granter, ref, 1);
    EXPECT_EQ(user.unmap(first.handle, 1), Status::okay);
    EXPECT_TRUE(user.maps(0, shared));
    EXPECT_EQ(mm::type_count(shared), 1u);
    EXPECT_EQ(user.unmap(second.handle, 0), Status::okay);
    expect_untouched(shared);
}

// The guest writes over the entry by other means: the handle still keeps the frame, and cannot be unmapped any more.
TEST_F(Mapping, EntryOverwrittenByOtherMeansLeavesTheHandleAndTheFrame)
{
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 0);
    ASSERT_TRUE(user.write_pte(0, 0).ok());
    EXPECT_EQ(mm::reference_count(shared), 2u);
    EXPECT_EQ(mm::type_count(shared), 0u);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::general_error);
    EXPECT_FALSE(granter.revoke(ref));
    user.end_mappings();
    EXPECT_TRUE(granter.revoke(ref));
    expect_untouched(shared);
}

// As Xen has it: a guest test shows it there.
TEST_F(Mapping, ADeviceAddressCountsOnlyIfMappedForADevice)
{
    granter.grant(ref, shared, user);
    const auto both = user.map(granter, ref, 0, abi::gntmap_device_map | abi::gntmap_host_map);
    EXPECT_EQ(user.unmap({user.address(0), 0x1000, both.handle, Status::okay}), Status::bad_dev_addr);
    EXPECT_TRUE(user.maps(0, shared));
    EXPECT_EQ(user.unmap({user.address(0), both.dev_bus_addr, both.handle, Status::okay}), Status::okay);
    const auto host = user.map(granter, ref, 0);
    EXPECT_EQ(user.unmap({user.address(0), 0x1000, host.handle, Status::okay}), Status::okay);
    EXPECT_FALSE(user.maps(0, shared));
    expect_untouched(shared);
}

// XSA-224: the two halves of a mapping for host and device must be counted apart.
TEST_F(Mapping, HalvesForHostAndDeviceAreUnmappedInAnyOrder)
{
    granter.grant(ref, shared, user);
    const u64 bus = address_of(shared).value;
    for (const bool host_first : {true, false}) {
        const auto op = user.map(granter, ref, 0, abi::gntmap_device_map | abi::gntmap_host_map);
        ASSERT_EQ(op.status, Status::okay);
        EXPECT_EQ(mm::type_count(shared), 2u);
        EXPECT_EQ(user.unmap({host_first ? user.address(0) : 0, host_first ? 0 : bus, op.handle, Status::okay}),
                  Status::okay);
        EXPECT_EQ(mm::type_count(shared), 1u);
        EXPECT_EQ(granter.marks(ref), abi::gtf_reading | abi::gtf_writing);
        EXPECT_EQ(user.maps(0, shared), !host_first);
        // The half that has gone is not there to be unmapped again.
        EXPECT_EQ(user.unmap({host_first ? user.address(0) : 0, host_first ? 0 : bus, op.handle, Status::okay}),
                  Status::okay);
        EXPECT_EQ(mm::type_count(shared), 1u);
        EXPECT_EQ(user.unmap({user.address(0), bus, op.handle, Status::okay}), Status::okay);
        EXPECT_EQ(user.unmap(op.handle, 0), Status::bad_handle);
        EXPECT_EQ(granter.marks(ref), 0);
        expect_untouched(shared);
    }
}

TEST_F(Mapping, BothHalvesGoInOneBatchOrOneOperation)
{
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 0, abi::gntmap_device_map | abi::gntmap_host_map);
    Unmapped host, device, again;
    EXPECT_EQ(grant_tables::unmap(user.mapper(), {user.address(0), 0, op.handle, Status::okay}, host), Status::okay);
    EXPECT_EQ(grant_tables::unmap(user.mapper(), {0, op.dev_bus_addr, op.handle, Status::okay}, device), Status::okay);
    EXPECT_EQ(grant_tables::unmap(user.mapper(), {user.address(0), 0, op.handle, Status::okay}, again),
              Status::bad_handle);
    finish_unmap(user.grants, host);
    finish_unmap(user.grants, device);
    finish_unmap(user.grants, again);
    expect_untouched(shared);

    const auto both = user.map(granter, ref, 0, abi::gntmap_device_map | abi::gntmap_host_map);
    EXPECT_EQ(both.handle, op.handle);
    EXPECT_EQ(user.unmap({user.address(0), both.dev_bus_addr, both.handle, Status::okay}), Status::okay);
    expect_untouched(shared);
}

TEST_F(Mapping, CountOfUsesStopsBeforeItWraps)
{
    granter.grant(ref, shared, user);
    std::vector<u32> handles;
    for (unsigned i = 0; i < 255; ++i) {
        const auto op = user.map(granter, ref, i, readonly_map);
        ASSERT_EQ(op.status, Status::okay);
        handles.push_back(op.handle);
    }
    EXPECT_EQ(user.map(granter, ref, 300, readonly_map).status, Status::general_error);
    EXPECT_EQ(user.pte(300), 0u);
    const auto writable = user.map(granter, ref, 301);
    EXPECT_EQ(writable.status, Status::okay) << "another kind of use";
    for (unsigned i = 0; i < 255; ++i)
        EXPECT_EQ(user.unmap(handles[i], i), Status::okay);
    EXPECT_EQ(granter.marks(ref), abi::gtf_reading | abi::gtf_writing);
    EXPECT_EQ(user.unmap(writable.handle, 301), Status::okay);
    expect_untouched(shared);
}

TEST_F(Mapping, GrantInUseByOneDomainIsRefusedToAnother)
{
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 0);
    granter.entry(ref).domid = stranger.owner.id.value; // the granter breaks its own rule
    EXPECT_EQ(stranger.map(granter, ref, 0).status, Status::general_error);
    EXPECT_EQ(user.map(granter, ref, 1, readonly_map).status, Status::okay) << "what was read at first counts";
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    user.end_mappings();
    ASSERT_TRUE(user.write_pte(1, 0).ok());
    expect_untouched(shared);
}

// The granter changes the frame in the entry while it is in use: what was read first counts.
TEST_F(Mapping, FrameIsReadOnceWhenTheUseBegins)
{
    granter.grant(ref, shared, user);
    const auto first = user.map(granter, ref, 0);
    granter.entry(ref).frame = static_cast<u32>(granter.l1.value);
    const auto second = user.map(granter, ref, 1);
    ASSERT_EQ(second.status, Status::okay);
    EXPECT_TRUE(user.maps(1, shared));
    EXPECT_EQ(user.unmap(first.handle, 0), Status::okay);
    EXPECT_EQ(user.unmap(second.handle, 1), Status::okay);
    EXPECT_EQ(user.map(granter, ref, 0).status, Status::general_error) << "now it would be a page table";
    expect_untouched(shared);
}

TEST_F(Mapping, DomainMayMapItsOwnGrants)
{
    granter.grant(ref, shared, granter);
    const auto op = granter.map(granter, ref, 0);
    EXPECT_EQ(op.status, Status::okay);
    EXPECT_EQ(granter.unmap(op.handle, 0), Status::okay);
    expect_untouched(shared);
}

TEST_F(Mapping, HandlesEndAtTheLimit)
{
    GrantDomain small{4, 1, 1};
    granter.grant(ref, shared, small);
    granter.grant(ref + 1, shared, small);
    std::vector<std::pair<u32, u32>> handles;
    for (unsigned i = 0; i < 256; ++i) {
        const auto op = small.map(granter, ref + i / 200, i, readonly_map);
        ASSERT_EQ(op.status, Status::okay);
        handles.emplace_back(op.handle, i);
    }
    EXPECT_EQ(small.map(granter, ref + 1, 400, readonly_map).status, Status::no_space);
    EXPECT_EQ(small.unmap(handles[100].first, handles[100].second), Status::okay);
    const auto again = small.map(granter, ref + 1, 100, readonly_map);
    EXPECT_EQ(again.handle, handles[100].first);
    small.end_mappings();
}

// ---- unmap_and_replace

TEST_F(Mapping, ReplaceMovesTheOtherEntryWithItsReferences)
{
    const Mfn own = user.page();
    constexpr u64 flags = abi::pte::present | abi::pte::writable | abi::pte::user;
    ASSERT_TRUE(user.write_pte(9, address_of(own).value | flags).ok());
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 0);
    Unmapped unmapped;
    EXPECT_EQ(unmap_and_replace(user.mapper(), {user.address(0), user.address(0), op.handle, Status::okay}, unmapped),
              Status::general_error);
    EXPECT_EQ(unmap_and_replace(user.mapper(), {user.address(0), user.address(9), op.handle, Status::okay}, unmapped),
              Status::okay);
    finish_unmap(user.grants, unmapped);
    EXPECT_TRUE(user.maps(0, own));
    EXPECT_EQ(user.pte(9), 0u);
    EXPECT_EQ(mm::type_count(own), 1u);
    EXPECT_EQ(mm::reference_count(own), 2u);
    expect_untouched(shared);
}

TEST_F(Mapping, FailedReplaceLosesNoReference)
{
    const Mfn own = user.page();
    ASSERT_TRUE(user.write_pte(9, address_of(own).value | abi::pte::present | abi::pte::user).ok());
    granter.grant(ref, shared, user);
    const auto op = user.map(granter, ref, 0);
    Unmapped unmapped;
    EXPECT_EQ(unmap_and_replace(user.mapper(), {user.address(4), user.address(9), op.handle, Status::okay}, unmapped),
              Status::general_error);
    EXPECT_EQ(unmapped.halves, 0);
    expect_untouched(own);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    const auto by_entry = user.map(granter, ref, 0, abi::gntmap_contains_pte | abi::gntmap_host_map);
    EXPECT_EQ(unmap_and_replace(user.mapper(),
                                {user.entry_address(0).value, user.address(9), by_entry.handle, Status::okay},
                                unmapped),
              Status::general_error)
        << "not with contains_pte";
    EXPECT_EQ(user.unmap({user.entry_address(0).value, 0, by_entry.handle, Status::okay}), Status::okay);
    expect_untouched(shared);
}

// ---- Ends

TEST_F(Mapping, DyingMapperGivesAllUp)
{
    {
        GrantDomain mortal{5};
        for (u32 i = 0; i < 100; ++i) {
            granter.grant(ref + i, shared, mortal);
            EXPECT_EQ(mortal.map(granter, ref + i, i, i % 2 ? readonly_map : 0).status, Status::okay);
        }
        granter.grant(ref + 100, shared, mortal);
        EXPECT_EQ(mortal.map(granter, ref + 100, 0, abi::gntmap_device_map).status, Status::okay);
        session.machine.preempt_every(1);
        EXPECT_EQ(mortal.grants.release_mappings(), Error::Preempted);
        while (!mortal.grants.release_mappings().ok()) {
        }
        session.machine.preempt_every(0);
        for (u32 i = 0; i <= 100; ++i)
            EXPECT_TRUE(granter.revoke(ref + i));
        EXPECT_EQ(mm::reference_count(shared), 1u + 100u) << "its page tables still hold theirs";
    }
    expect_untouched(shared);
}

// The granter is a zombie as long as somebody maps its frames: its table must outlast the handles that point to it.
TEST_F(Mapping, DeadGrantersFramesStayUntilTheLastHandleGoes)
{
    GrantDomain mortal{5};
    const Mfn kept = mortal.page(), overwritten = mortal.page();
    mortal.grant(ref, kept, user);
    mortal.grant(ref + 1, overwritten, user);
    const auto op = user.map(mortal, ref, 0), lost = user.map(mortal, ref + 1, 1);
    (void)lost;
    ASSERT_TRUE(user.write_pte(1, 0).ok());
    mortal.end_mappings();
    mortal.end_memory();
    EXPECT_FALSE(mm::drained(mortal.owner));
    EXPECT_EQ(user.map(mortal, ref, 2).status, Status::bad_gntref) << "nothing new from the dead";
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    EXPECT_FALSE(mm::drained(mortal.owner)) << "the handle whose entry was overwritten keeps its frame";
    user.end_mappings();
    EXPECT_TRUE(mm::drained(mortal.owner));
}

TEST_F(Mapping, AuditSeesWhatEachHandleHolds)
{
    granter.grant(ref, shared, user);
    EXPECT_EQ(held_frame(user.grants, 0).error(), Error::Invalid) << "no handle yet";
    const auto op = user.map(granter, ref, 0);
    const auto device = user.map(granter, ref, 0, abi::gntmap_device_map);
    EXPECT_EQ(held_frame(user.grants, op.handle).value().mfn, shared);
    EXPECT_FALSE(held_frame(user.grants, op.handle).value().writable_type);
    EXPECT_TRUE(held_frame(user.grants, device.handle).value().writable_type);
    EXPECT_EQ(held_frame(user.grants, 255).error(), Error::NoEntry);
    const auto both = user.map(granter, ref, 1, abi::gntmap_host_map | abi::gntmap_device_map);
    EXPECT_EQ(held_frame(user.grants, both.handle).value().halves, 2u);
    EXPECT_TRUE(held_frame(user.grants, both.handle).value().pinned);
    EXPECT_EQ(count_uses(granter.grants), 4u);
    EXPECT_EQ(count_uses(user.grants), 0u);
    EXPECT_EQ(user.unmap(both.handle, 1), Status::okay);
    EXPECT_EQ(count_uses(granter.grants), 3u);
    EXPECT_EQ(user.unmap(op.handle, 0), Status::okay);
    user.end_mappings();
}

}

}
