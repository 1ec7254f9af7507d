// GNTTABOP_transfer, of frames to oneself: what is told of one that has come, which frames stay, and which are lost.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"

#include "hypervisor/abi/memory.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::GnttabCmd;
using abi::GnttabStatus;
using abi::HypercallNumber;

namespace {

constexpr abi::RawGrantRef ref = 20;
constexpr u16 done = abi::gtf_accept_transfer | abi::gtf_transfer_committed | abi::gtf_transfer_completed;

abi::RawDomId own_id;
abi::GrantEntryV1* entries;

i64 current_reservation()
{
    abi::MemoryDomain who{abi::domid_self};
    return hypercall(HypercallNumber::memory_op, static_cast<u64>(abi::MemoryCmd::current_reservation),
                     address_of(who));
}

GnttabStatus transfer(u64 mfn, abi::RawDomId domain = own_id, abi::RawGrantRef to = ref)
{
    abi::GnttabTransfer request{mfn, domain, to, GnttabStatus::eagain};
    EXPECT(grant_op(GnttabCmd::transfer, request), 0);
    return request.status;
}

/// A frame that nothing maps.
u64 loose_frame(u64& pfn)
{
    void* page = allocate_page();
    pfn = pfn_of(page);
    const u64 mfn = mfn_of_address(page);
    EXPECT(update_va_mapping(page, 0), 0);
    return mfn;
}
u64 loose_frame()
{
    u64 pfn;
    return loose_frame(pfn);
}

void accept(u32 pfn, u16 flags = abi::gtf_accept_transfer)
{
    entries[ref] = {flags, own_id, pfn};
}

void a_frame_comes()
{
    u64 pfn;
    const u64 mfn = loose_frame(pfn);
    const i64 before = current_reservation();
    accept(0x321);
    EXPECT(transfer(mfn), GnttabStatus::okay);
    EXPECT(entries[ref].flags, done);
    EXPECT(entries[ref].frame, mfn);
    EXPECT(pfn_of_mfn(mfn), 0x321); // what the entry had for a number
    EXPECT(current_reservation(), before);
    auto* page = address_of_pfn<u64>(pfn);
    EXPECT(mmu_update(mfn << page_shift | 1, pfn), 0);
    EXPECT(update_va_mapping(page, mfn << page_shift | kernel_page), 0);
    page[0] = 1;
}

void frames_that_stay()
{
    accept(0);
    auto* page = static_cast<u64*>(allocate_page());
    EXPECT(transfer(mfn_of_address(page)), GnttabStatus::bad_page); // mapped
    EXPECT(transfer(mfn_of_address(reinterpret_cast<void*>(start_info().pt_base))), GnttabStatus::bad_page);
    EXPECT(transfer(0xfffffff), GnttabStatus::bad_page);
    EXPECT(transfer(~u64{0}), GnttabStatus::bad_page);
    EXPECT(transfer(start_info().shared_info >> page_shift), GnttabStatus::bad_page);
    u64 table[1] = {};
    abi::GnttabSetupTable setup{abi::domid_self, 1, GnttabStatus::eagain, {address_of(table)}};
    EXPECT(grant_op(GnttabCmd::setup_table, setup), 0);
    EXPECT(transfer(table[0]), GnttabStatus::bad_page);
    EXPECT(entries[ref].flags, abi::gtf_accept_transfer);
    page[0] = 1;
}

/// XSA-214: a frame that was a page table, or a table of descriptors, arrives as one that is neither.
void types_are_forgotten()
{
    for (const abi::MmuextCmd pin : {abi::MmuextCmd::pin_l1_table, abi::MmuextCmd::pin_l2_table,
                                     abi::MmuextCmd::pin_l3_table, abi::MmuextCmd::pin_l4_table}) {
        auto* page = static_cast<u64*>(allocate_page());
        const u64 mfn = mfn_of_address(page), root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
        EXPECT(update_va_mapping(page, 0), 0);
        EXPECT(mmuext(pin, mfn), 0);
        EXPECT(transfer(mfn), GnttabStatus::bad_page);
        EXPECT(mmuext(abi::MmuextCmd::unpin_table, mfn), 0);
        accept(0);
        EXPECT(transfer(mfn), GnttabStatus::okay);
        EXPECT(mmu_update(mfn << page_shift | 1, pfn_of(page)), 0);
        EXPECT(update_va_mapping(page, mfn << page_shift | kernel_page), 0);
        page[0] = root << page_shift | kernel_page; // what no table may hold
        EXPECT(update_va_mapping(page, 0), 0);
        EXPECT_TRUE(mmuext(abi::MmuextCmd::pin_l1_table, mfn) != 0);
        EXPECT(update_va_mapping(page, mfn << page_shift | kernel_page), 0);
    }
}

void frames_that_are_lost()
{
    i64 left = current_reservation();
    const auto lost = [&](GnttabStatus got, GnttabStatus wanted) {
        EXPECT(got, wanted);
        EXPECT(current_reservation(), --left);
    };
    accept(0);
    lost(transfer(loose_frame(), 1234), GnttabStatus::bad_domain);
    lost(transfer(loose_frame(), abi::domid_self), GnttabStatus::bad_domain);
    lost(transfer(loose_frame(), own_id, 1'000'000), GnttabStatus::general_error);
    lost(transfer(loose_frame(), own_id, ref + 1), GnttabStatus::general_error); // an empty entry
    accept(0, abi::gtf_permit_access);
    lost(transfer(loose_frame()), GnttabStatus::general_error);
    accept(0, abi::gtf_accept_transfer | abi::gtf_transfer_committed);
    lost(transfer(loose_frame()), GnttabStatus::general_error);
    accept(0);
    entries[ref].domid = 1234; // from another
    lost(transfer(loose_frame()), GnttabStatus::general_error);
}

void lists()
{
    EXPECT_ERROR(hypercall(HypercallNumber::grant_table_op, static_cast<u64>(GnttabCmd::transfer), 0x5000, 1), fault);
    accept(0);
    entries[ref + 1] = {abi::gtf_accept_transfer, own_id, 0};
    abi::GnttabTransfer list[3] = {{loose_frame(), own_id, ref, GnttabStatus::eagain},
                                   {0xfffffff, own_id, ref, GnttabStatus::eagain},
                                   {loose_frame(), own_id, ref + 1, GnttabStatus::eagain}};
    EXPECT(grant_op(GnttabCmd::transfer, list, 3), 0);
    EXPECT(list[0].status, GnttabStatus::okay);
    EXPECT(list[1].status, GnttabStatus::bad_page);
    EXPECT(list[2].status, GnttabStatus::okay);
    EXPECT(entries[ref + 1].flags, done);
}

void to_a_table_of_version_2()
{
    abi::GnttabSetVersion version{2};
    EXPECT(grant_op(GnttabCmd::set_version, version), 0);
    auto* entry = reinterpret_cast<abi::GrantEntryV2*>(entries) + ref;
    entry->full_page = {{abi::gtf_accept_transfer, own_id}, 0, 0x654};
    const u64 mfn = loose_frame();
    EXPECT(transfer(mfn), GnttabStatus::okay);
    EXPECT(entry->hdr.flags, done);
    EXPECT(entry->full_page.frame, mfn);
    EXPECT(pfn_of_mfn(mfn), 0x654);
}

}

void xylem_main()
{
    own_id = own_domain_id();
    entries = grant_entries();
    a_frame_comes();
    frames_that_stay();
    types_are_forgotten();
    frames_that_are_lost();
    lists();
    to_a_table_of_version_2();
    finish_test();
}
