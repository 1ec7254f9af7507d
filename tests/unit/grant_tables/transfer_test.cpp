// Frames given away: who may get one, what the two domains are told, and what becomes of one that nobody gets.

#include "grant_tables/pin.hpp"
#include "hypervisor/mm/m2p.hpp"
#include "tests/unit/grant_tables/grant_domain.hpp"

namespace xylem::grant_tables::test {

using xylem::test::Session;

namespace {

constexpr u16 done = abi::gtf_accept_transfer | abi::gtf_transfer_committed | abi::gtf_transfer_completed;

class Transfers : public testing::Test {
protected:
    Session session;
    GrantDomain giver{1}, taker{2};
    static constexpr u32 ref = 20;
    static constexpr u32 pfn = 0x123;

    void accept(u16 flags = abi::gtf_accept_transfer) { taker.entry(ref) = {flags, giver.owner.id.value, pfn}; }
    Status transfer(Mfn mfn, GrantDomain& to, u32 to_ref = ref)
    {
        Transfer transfer(giver.owner);
        const Status taken = transfer.take(mfn);
        return taken == Status::okay ? transfer.give(to.grants, to_ref) : taken;
    }
};

TEST_F(Transfers, TheFrameChangesItsOwnerAndTheEntryTellsOfIt)
{
    const Mfn mfn = giver.page();
    const u64 givers = giver.owner.total_pages, takers = taker.owner.total_pages;
    machine::map(mfn)[7] = 7;
    accept();
    EXPECT_EQ(transfer(mfn, taker), Status::okay);
    EXPECT_EQ(taker.entry(ref).flags, done);
    EXPECT_EQ(taker.entry(ref).frame, mfn.value);
    EXPECT_EQ(mm::m2p[mfn.value], pfn);
    EXPECT_EQ(mm::frame(mfn).owner, taker.owner.id);
    EXPECT_EQ(machine::map(mfn)[7], 7) << "with what is in it";
    EXPECT_EQ(giver.owner.total_pages, givers - 1);
    EXPECT_EQ(taker.owner.total_pages, takers + 1);
    EXPECT_EQ(mm::reference_count(mfn), 1u);
    EXPECT_EQ(transfer(mfn, taker), Status::bad_page) << "the giver's no more";
}

TEST_F(Transfers, ATableOfVersion2IsToldInItsWords)
{
    ASSERT_TRUE(set_version(taker.grants, 2).ok());
    const Mfn mfn = giver.page();
    entry_v2(taker.grants, ref).full_page = {{abi::gtf_accept_transfer, giver.owner.id.value}, 0, pfn};
    EXPECT_EQ(transfer(mfn, taker), Status::okay);
    EXPECT_EQ(entry_v2(taker.grants, ref).hdr.flags, done);
    EXPECT_EQ(entry_v2(taker.grants, ref).full_page.frame, mfn.value);
    EXPECT_EQ(mm::m2p[mfn.value], pfn);
}

TEST_F(Transfers, AFrameThatSomebodyRefersToStays)
{
    accept();
    EXPECT_EQ(transfer(giver.l1, taker), Status::bad_page) << "a page table";
    const Mfn mfn = giver.page();
    const u64 entry = address_of(mfn).value | abi::pte::present | abi::pte::user;
    ASSERT_TRUE(giver.write_pte(0, entry).ok());
    EXPECT_EQ(transfer(mfn, taker), Status::bad_page) << "mapped";
    ASSERT_TRUE(giver.write_pte(0, 0).ok());
    EXPECT_EQ(transfer(giver.grants.shared_frame(0).value(), taker), Status::bad_page) << "the hypervisor's";
    EXPECT_EQ(transfer(taker.page(), taker), Status::bad_page);
    EXPECT_EQ(transfer(Mfn(~u64{0}), taker), Status::bad_page);
    EXPECT_EQ(taker.entry(ref).flags, abi::gtf_accept_transfer);
    EXPECT_EQ(mm::frame(mfn).owner, giver.owner.id);
}

TEST_F(Transfers, WhatNobodyTakesIsLostToItsOwner)
{
    const auto refused = [&](GrantDomain& to, u32 to_ref = ref) {
        const Mfn mfn = giver.page();
        const u64 free = mm::free_frame_count(), takers = to.owner.total_pages;
        EXPECT_EQ(transfer(mfn, to, to_ref), Status::general_error);
        EXPECT_EQ(mm::free_frame_count(), free + 1);
        EXPECT_EQ(to.owner.total_pages, takers);
        EXPECT_FALSE(mm::get_page(mfn, giver.owner.id).ok());
    };
    refused(taker); // no entry accepts
    refused(taker, 100'000);
    accept(abi::gtf_permit_access);
    refused(taker);
    accept(abi::gtf_accept_transfer | abi::gtf_transfer_committed); // one has come already
    refused(taker);
    accept();
    taker.entry(ref).domid = 77;
    refused(taker);
    accept();
    taker.owner.max_pages = taker.owner.total_pages;
    refused(taker); // full
    taker.owner.max_pages += 1;
    taker.owner.dying = true;
    refused(taker);
    taker.owner.dying = false;
    EXPECT_EQ(taker.entry(ref).flags, abi::gtf_accept_transfer);
    Transfer nobody(giver.owner); // a recipient that is not there
    EXPECT_EQ(nobody.take(giver.page()), Status::okay);
}

// XSA-214: what the frame was in its old domain counts for nothing in the new one.
TEST_F(Transfers, AFrameArrivesWithoutAType)
{
    for (const mm::PageType type :
         {mm::PageType::l1, mm::PageType::l2, mm::PageType::l4, mm::PageType::segment_descriptors}) {
        const Mfn mfn = giver.page();
        ASSERT_TRUE(mm::get_type(mfn, type).ok());
        mm::put_type(mfn);
        accept();
        ASSERT_EQ(transfer(mfn, taker), Status::okay);
        EXPECT_EQ(mm::type_count(mfn), 0u);
        machine::map<u64>(mfn)[0] = address_of(taker.l1).value | abi::pte::present | abi::pte::writable;
        EXPECT_FALSE(mm::pin(taker.owner, mfn, mm::PageType::l1).ok()) << "it is looked at anew";
    }
}

TEST_F(Transfers, ADomainCanGiveToItself)
{
    const Mfn mfn = giver.page();
    const u64 pages = giver.owner.total_pages;
    giver.entry(ref) = {abi::gtf_accept_transfer, giver.owner.id.value, pfn};
    EXPECT_EQ(transfer(mfn, giver), Status::okay);
    EXPECT_EQ(giver.entry(ref).frame, mfn.value);
    EXPECT_EQ(giver.owner.total_pages, pages);
}

}

}
