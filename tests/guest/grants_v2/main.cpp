// Version 2 of the grant tables: the way to it and back, statuses in frames of their own, parts of pages, and the
// transitive grants that are not followed.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::GnttabCmd;
using abi::GnttabStatus;

namespace {

constexpr u16 busy_bits = abi::gtf_reading | abi::gtf_writing;
constexpr u32 entries_per_frame = page_size / sizeof(abi::GrantEntryV2);

abi::GrantEntryV1* old_entries;
volatile abi::GrantEntryV2* entries; // the same page
volatile u16* statuses;
abi::RawDomId own_id;

/// The number of the version afterwards is in `version`.
i64 set_version(u32 wanted, u32& version)
{
    abi::GnttabSetVersion request{wanted};
    const i64 result = grant_op(GnttabCmd::set_version, request);
    version = request.version;
    return result;
}
u32 version()
{
    abi::GnttabGetVersion request{abi::domid_self, 0, 0};
    EXPECT(grant_op(GnttabCmd::get_version, request), 0);
    return request.version;
}

GnttabStatus status_frames(u32 count, u64* frames, abi::RawDomId domain = abi::domid_self)
{
    abi::GnttabGetStatusFrames request{count, domain, GnttabStatus::eagain, {reinterpret_cast<u64>(frames)}};
    EXPECT(grant_op(GnttabCmd::get_status_frames, request), 0);
    return request.status;
}

void map_statuses()
{
    u64 frames[2] = {};
    EXPECT(status_frames(0, frames), GnttabStatus::okay);
    EXPECT(status_frames(1, frames), GnttabStatus::okay);
    EXPECT_TRUE(frames[0] != 0);
    EXPECT(status_frames(1000, frames), GnttabStatus::general_error);
    EXPECT(status_frames(1, frames, 1234), GnttabStatus::bad_domain);
    EXPECT(status_frames(1, reinterpret_cast<u64*>(0x5000)), GnttabStatus::bad_virt_addr);
    abi::GnttabGetStatusFrames request{1, abi::domid_self, GnttabStatus::eagain, {0xffff830000000000}};
    EXPECT_ERROR(grant_op(GnttabCmd::get_status_frames, request), fault);
    EXPECT_ERROR(grant_op(GnttabCmd::get_status_frames, request, 2), inval);
    void* place = allocate_page();
    EXPECT(update_va_mapping(place, frames[0] << page_shift | kernel_page), 0);
    statuses = static_cast<u16*>(place);
}

/// To version 2: the reserved entries are kept, the others are gone.
void there()
{
    u32 now = 0;
    u64 frame = 0;
    EXPECT(version(), 1);
    EXPECT(status_frames(0, &frame), GnttabStatus::okay);
    EXPECT(status_frames(1, &frame), GnttabStatus::general_error);
    EXPECT_ERROR(set_version(0, now), inval);
    EXPECT(now, 1);
    EXPECT_ERROR(set_version(3, now), inval);
    EXPECT(set_version(1, now), 0);

    auto* page = static_cast<u64*>(allocate_page());
    auto* place = static_cast<u64*>(allocate_page());
    const u64 address = reinterpret_cast<u64>(place);
    EXPECT(update_va_mapping(place, 0), 0);
    grant(7, own_id, page, 0); // reserved
    grant(20, own_id, page, 0);
    auto mapped = map_grant(address, abi::gntmap_host_map, 20, own_id);
    EXPECT(mapped.status, GnttabStatus::okay);
    EXPECT_ERROR(set_version(2, now), busy);
    EXPECT(now, 1);
    EXPECT(unmap_grant(address, mapped.handle), GnttabStatus::okay);
    mapped = map_grant(address, abi::gntmap_host_map, 7, own_id);
    EXPECT(mapped.status, GnttabStatus::okay);
    EXPECT(set_version(2, now), 0); // the reserved ones may be in use
    EXPECT(now, 2);
    EXPECT(version(), 2);
    EXPECT(set_version(2, now), 0);
    map_statuses();
    EXPECT(entries[7].hdr.flags, abi::gtf_permit_access);
    EXPECT(entries[7].hdr.domid, own_id);
    EXPECT(entries[7].full_page.frame, mfn_of_address(page));
    EXPECT(statuses[7], busy_bits);
    EXPECT(entries[20].hdr.flags, 0);
    EXPECT(unmap_grant(address, mapped.handle), GnttabStatus::okay);
    EXPECT(statuses[7], 0);
}

void grant_full(abi::RawGrantRef ref, const void* page, u16 flags = 0)
{
    entries[ref].hdr.domid = own_id;
    entries[ref].full_page.frame = mfn_of_address(page);
    entries[ref].hdr.flags = abi::gtf_permit_access | flags;
}

void maps()
{
    auto* page = static_cast<u64*>(allocate_page());
    auto* place = static_cast<u64*>(allocate_page());
    auto* second = static_cast<u64*>(allocate_page());
    const u64 address = reinterpret_cast<u64>(place), other = reinterpret_cast<u64>(second);
    EXPECT(update_va_mapping(place, 0), 0);
    EXPECT(update_va_mapping(second, 0), 0);
    grant_full(30, page);
    const auto reading = map_grant(address, abi::gntmap_host_map | abi::gntmap_readonly, 30, own_id);
    EXPECT(reading.status, GnttabStatus::okay);
    EXPECT(statuses[30], abi::gtf_reading);
    EXPECT(entries[30].hdr.flags, abi::gtf_permit_access); // the marks are elsewhere
    const auto writing = map_grant(other, abi::gntmap_host_map, 30, own_id);
    EXPECT(writing.status, GnttabStatus::okay);
    EXPECT(statuses[30], busy_bits);
    second[1] = 11;
    EXPECT(page[1], 11);
    EXPECT(unmap_grant(other, writing.handle), GnttabStatus::okay);
    EXPECT(statuses[30], abi::gtf_reading);
    EXPECT(unmap_grant(address, reading.handle), GnttabStatus::okay);
    EXPECT(statuses[30], 0);

    grant_full(31, page, abi::gtf_readonly);
    EXPECT(map_grant(address, abi::gntmap_host_map, 31, own_id).status, GnttabStatus::general_error);
    EXPECT(map_grant(address, abi::gntmap_host_map, 32, own_id).status, GnttabStatus::general_error);
    EXPECT(map_grant(address, abi::gntmap_host_map, 1'000'000, own_id).status, GnttabStatus::bad_gntref);
    entries[31].full_page.frame = u64{1} << 45;
    EXPECT_TRUE(map_grant(address, abi::gntmap_host_map | abi::gntmap_readonly, 31, own_id).status !=
                GnttabStatus::okay);
    EXPECT(statuses[31], 0);
}

GnttabStatus copy(const void* from, abi::RawGrantRef to, u16 from_offset, u16 to_offset, u16 length)
{
    abi::GnttabCopy request{};
    request.source.u.gmfn = mfn_of_address(from);
    request.source.domid = abi::domid_self;
    request.source.offset = from_offset;
    request.dest.u.ref = to;
    request.dest.domid = own_id;
    request.dest.offset = to_offset;
    request.len = length;
    request.flags = abi::gntcopy_dest_gref;
    EXPECT(grant_op(GnttabCmd::copy, request), 0);
    return request.status;
}

void parts()
{
    auto* source = static_cast<char*>(allocate_page());
    auto* page = static_cast<char*>(allocate_page());
    void* place = allocate_page();
    EXPECT(update_va_mapping(place, 0), 0);
    entries[40].hdr.domid = own_id;
    entries[40].sub_page.page_off = 100;
    entries[40].sub_page.length = 50;
    entries[40].sub_page.frame = mfn_of_address(page);
    entries[40].hdr.flags = abi::gtf_permit_access | abi::gtf_sub_page;
    source[0] = 'x';
    EXPECT(copy(source, 40, 0, 100, 50), GnttabStatus::okay);
    EXPECT(page[100], 'x');
    EXPECT(copy(source, 40, 0, 149, 1), GnttabStatus::okay);
    EXPECT(copy(source, 40, 0, 99, 2), GnttabStatus::general_error);
    EXPECT(copy(source, 40, 0, 149, 2), GnttabStatus::general_error);
    EXPECT(copy(source, 40, 0, 4090, 10), GnttabStatus::bad_copy_arg);
    EXPECT(page[99], 0);
    EXPECT(page[150], 0);
    EXPECT(map_grant(reinterpret_cast<u64>(place), abi::gntmap_host_map, 40, own_id).status,
           GnttabStatus::general_error);
    EXPECT(statuses[40], 0);
}

/// XSA-226: one that leads to itself, and one that leads nowhere.
void transitive_grants()
{
    auto* source = static_cast<char*>(allocate_page());
    entries[50].hdr.domid = own_id;
    entries[50].transitive.trans_domid = own_id;
    entries[50].transitive.gref = 50;
    entries[50].hdr.flags = abi::gtf_transitive;
    EXPECT(copy(source, 50, 0, 0, 1), GnttabStatus::general_error);
    entries[50].transitive.trans_domid = 1234;
    EXPECT(copy(source, 50, 0, 0, 1), GnttabStatus::general_error);
    EXPECT(map_grant(reinterpret_cast<u64>(source), abi::gntmap_host_map, 50, own_id).status,
           GnttabStatus::general_error);
    EXPECT(statuses[50], 0);
}

void swaps()
{
    abi::GnttabSwapGrantRef request{30, 60, GnttabStatus::eagain};
    statuses[30] = 0x1230;
    EXPECT(grant_op(GnttabCmd::swap_grant_ref, request), 0);
    EXPECT(request.status, GnttabStatus::okay);
    EXPECT(entries[60].hdr.flags, abi::gtf_permit_access);
    EXPECT(statuses[60], 0x1230);
    request = {30, 1'000'000, GnttabStatus::eagain};
    EXPECT(grant_op(GnttabCmd::swap_grant_ref, request), 0);
    EXPECT(request.status, GnttabStatus::bad_gntref);
}

void table_grows()
{
    u64 frames[9] = {};
    abi::GnttabSetupTable setup{abi::domid_self, 9, GnttabStatus::eagain, {address_of(frames)}};
    EXPECT(grant_op(GnttabCmd::setup_table, setup), 0);
    EXPECT(setup.status, GnttabStatus::okay);
    u64 more[2] = {};
    EXPECT(status_frames(2, more), GnttabStatus::okay); // for more than 2048 entries
    EXPECT_TRUE(more[1] != 0 && more[1] != more[0]);
    EXPECT(status_frames(3, more), GnttabStatus::general_error);
    auto* page = static_cast<u64*>(allocate_page());
    void* last = allocate_page();
    EXPECT(update_va_mapping(last, frames[8] << page_shift | kernel_page), 0);
    auto* entry = static_cast<abi::GrantEntryV2*>(last) + 3;
    entry->full_page = {{0, own_id}, 0, mfn_of_address(page)};
    __atomic_store_n(&entry->hdr.flags, abi::gtf_permit_access, __ATOMIC_SEQ_CST);
    page[5] = 0;
    EXPECT(copy(reinterpret_cast<void*>(start_info().pt_base), 8 * entries_per_frame + 3, 0, 40, 8),
           GnttabStatus::okay);
    EXPECT(update_va_mapping(last, 0), 0);
}

/// XSA-379, XSA-384: back to version 1, but not while a frame of statuses is mapped.
void back()
{
    u32 now = 0;
    EXPECT_ERROR(set_version(1, now), busy);
    EXPECT(now, 2);
    EXPECT(version(), 2);
    u64 frames[2] = {};
    EXPECT(status_frames(2, frames), GnttabStatus::okay); // they are all there again
    EXPECT(update_va_mapping(const_cast<u16*>(statuses), 0), 0);
    entries[6].hdr.domid = own_id;
    entries[6].full_page.frame = u64{1} << 40;
    entries[6].hdr.flags = abi::gtf_permit_access;
    EXPECT_ERROR(set_version(1, now), range);
    entries[6].hdr.flags = abi::gtf_transitive;
    EXPECT_ERROR(set_version(1, now), range);
    entries[6].hdr.flags = abi::gtf_accept_transfer;
    EXPECT(set_version(1, now), 0);
    EXPECT(now, 1);
    EXPECT(old_entries[6].flags, 0);
    EXPECT(old_entries[7].flags, abi::gtf_permit_access);
    EXPECT(old_entries[7].domid, own_id);
    EXPECT(old_entries[20].flags, 0);
    EXPECT_ERROR(update_va_mapping(const_cast<u16*>(statuses), frames[0] << page_shift | kernel_page), busy);
}

}

void xylem_main()
{
    own_id = own_domain_id();
    old_entries = grant_entries();
    entries = reinterpret_cast<volatile abi::GrantEntryV2*>(old_entries);
    there();
    maps();
    parts();
    transitive_grants();
    swaps();
    table_grows();
    back();
    finish_test();
}
