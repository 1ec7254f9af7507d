// Grants to oneself: the table, maps by address and by page-table entry, unmaps, copies; and what is refused.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::GnttabCmd;
using abi::GnttabStatus;
using abi::HypercallNumber;

namespace {

abi::GrantEntryV1* entries;
#define EXPECT_STATUS(operation, wanted) EXPECT((operation).status, GnttabStatus::wanted)

constexpr abi::RawDomId self = abi::domid_self;
abi::RawDomId own_id; // to map a grant one has to name its domain by number

void table()
{
    u64 frames[1] = {};
    abi::GnttabSetupTable setup{self, 1, GnttabStatus::eagain, {address_of(frames)}};
    EXPECT(grant_op(GnttabCmd::setup_table, setup), 0);
    EXPECT_STATUS(setup, okay);
    EXPECT_TRUE(frames[0] != 0);
    own_id = own_domain_id();
    entries = grant_entries();
    EXPECT_ERROR(grant_op(GnttabCmd::setup_table, setup, 2), inval);
    setup.nr_frames = 100000;
    EXPECT(grant_op(GnttabCmd::setup_table, setup), 0);
    EXPECT_STATUS(setup, general_error);
    setup.dom = 1234;
    setup.nr_frames = 1;
    EXPECT(grant_op(GnttabCmd::setup_table, setup), 0);
    EXPECT_STATUS(setup, bad_domain);

    abi::GnttabQuerySize size{self, 0, 0, GnttabStatus::eagain};
    EXPECT(grant_op(GnttabCmd::query_size, size), 0);
    EXPECT_STATUS(size, okay);
    EXPECT_TRUE(size.nr_frames >= 1 && size.nr_frames <= size.max_nr_frames);
    abi::GnttabGetVersion version{self, 0, 0};
    EXPECT(grant_op(GnttabCmd::get_version, version), 0);
    EXPECT(version.version, 1);
    abi::GnttabSetVersion set{3};
    EXPECT_ERROR(grant_op(GnttabCmd::set_version, set), inval);
    EXPECT_ERROR(grant_op(static_cast<GnttabCmd>(13), setup), nosys);
    EXPECT_ERROR(grant_op(GnttabCmd::map_grant_ref, setup, u64{1} << 31), inval);
    EXPECT_ERROR(hypercall(HypercallNumber::grant_table_op, static_cast<u64>(GnttabCmd::map_grant_ref), 0x5000, 1),
                 fault);
}

void grant_self(abi::RawGrantRef ref, const void* page, u16 flags)
{
    grant(ref, own_id, page, flags);
}
abi::GnttabMapGrantRef map(u64 address, u32 flags, abi::RawGrantRef ref)
{
    return map_grant(address, flags, ref, own_id);
}

constexpr u16 busy_bits = abi::gtf_reading | abi::gtf_writing;

void maps()
{
    auto* page = static_cast<u64*>(allocate_page());
    auto* place = static_cast<u64*>(allocate_page());
    const u64 address = reinterpret_cast<u64>(place), machine_address = mfn_of_address(page) << page_shift;
    page[3] = 333;
    EXPECT(update_va_mapping(place, 0), 0);
    grant_self(10, page, 0);
    const auto mapped = map(address, abi::gntmap_host_map, 10);
    EXPECT_STATUS(mapped, okay);
    EXPECT_STATUS(map_grant(address, abi::gntmap_host_map, 10, self), bad_domain);
    EXPECT(mapped.dev_bus_addr, machine_address);
    EXPECT(place[3], 333);
    place[4] = 444;
    EXPECT(page[4], 444);
    EXPECT(entries[10].flags & busy_bits, busy_bits);
    EXPECT(*entry_of(place) & ~abi::pte::available_high,
           machine_address | kernel_page | abi::pte::user | abi::pte::no_execute);
    EXPECT(unmap_grant(address, mapped.handle + 1000), GnttabStatus::bad_handle);
    EXPECT(unmap_grant(address, mapped.handle), GnttabStatus::okay);
    EXPECT(entries[10].flags & busy_bits, 0);
    EXPECT(*entry_of(place), 0);
    EXPECT(unmap_grant(address, mapped.handle), GnttabStatus::bad_handle);

    const auto both = map(address, abi::gntmap_host_map | abi::gntmap_device_map, 10);
    EXPECT_STATUS(both, okay);
    EXPECT(unmap_grant(address, both.handle, machine_address + page_size), GnttabStatus::bad_dev_addr);
    EXPECT(unmap_grant(address, both.handle, machine_address), GnttabStatus::okay);

    // For reading; and by the entry's own address.
    const u64 entry = machine_address_of_entry(place);
    const auto reading = map(entry, abi::gntmap_host_map | abi::gntmap_readonly | abi::gntmap_contains_pte, 10);
    EXPECT_STATUS(reading, okay);
    EXPECT(entries[10].flags & busy_bits, abi::gtf_reading);
    EXPECT(place[3], 333);
    EXPECT_FAULT(try_write(place, 1), 14, 3);
    EXPECT(unmap_grant(entry, reading.handle), GnttabStatus::okay);
    EXPECT(entries[10].flags & busy_bits, 0);
    const auto user = map(address, abi::gntmap_host_map | abi::gntmap_application_map, 10);
    EXPECT_STATUS(user, okay);
    EXPECT(*entry_of(place) & (abi::pte::global | abi::pte::guest_kernel), abi::pte::global);
    // No device has it: what is said of one counts for nothing.
    EXPECT(unmap_grant(address, user.handle, machine_address + page_size), GnttabStatus::okay);
}

void refusals()
{
    auto* page = static_cast<u64*>(allocate_page());
    auto* place = static_cast<u64*>(allocate_page());
    const u64 address = reinterpret_cast<u64>(place);
    EXPECT(update_va_mapping(place, 0), 0);
    grant_self(11, page, abi::gtf_readonly);
    EXPECT_STATUS(map(address, abi::gntmap_host_map, 11), general_error);
    EXPECT_STATUS(map(address, 0, 11), bad_gntref);
    EXPECT_STATUS(map(address, abi::gntmap_host_map, 1'000'000), bad_gntref);
    EXPECT_STATUS(map(address, abi::gntmap_host_map, 12), general_error); // an empty entry
    EXPECT_STATUS(map_grant(address, abi::gntmap_host_map, 11, 1234), bad_domain);
    const char* root = reinterpret_cast<char*>(start_info().pt_base);
    grant_self(13, root, 0);
    EXPECT_STATUS(map(address, abi::gntmap_host_map, 13), general_error); // a page table, for writing
    entries[14] = {abi::gtf_permit_access, own_id, 0xfffffff};
    EXPECT_TRUE(map(address, abi::gntmap_host_map, 14).status != GnttabStatus::okay);
    for (const abi::RawGrantRef ref : {10, 11, 12, 13, 14})
        EXPECT(entries[ref].flags & busy_bits, 0);
}

abi::GnttabCopy copy_request(const void* from, abi::RawGrantRef to, u16 offset, u16 length)
{
    abi::GnttabCopy request{};
    request.source.u.gmfn = mfn_of_address(from);
    request.source.domid = abi::domid_self;
    request.source.offset = offset;
    request.dest.u.ref = to;
    request.dest.domid = self;
    request.dest.offset = offset;
    request.len = length;
    request.flags = abi::gntcopy_dest_gref;
    return request;
}

void copies()
{
    auto* source = static_cast<char*>(allocate_page());
    auto* destination = static_cast<char*>(allocate_page());
    grant_self(20, destination, 0);
    source[100] = 'x';
    source[107] = 'y';
    abi::GnttabCopy request = copy_request(source, 20, 100, 7);
    EXPECT(grant_op(GnttabCmd::copy, request), 0);
    EXPECT_STATUS(request, okay);
    EXPECT(destination[100], 'x');
    EXPECT(destination[107], 0);
    EXPECT(entries[20].flags, abi::gtf_permit_access);
    request = copy_request(source, 20, 4000, 97);
    EXPECT(grant_op(GnttabCmd::copy, request), 0);
    EXPECT_STATUS(request, bad_copy_arg);
    request = copy_request(source, 1'000'000, 0, 1);
    EXPECT(grant_op(GnttabCmd::copy, request), 0);
    EXPECT_STATUS(request, bad_gntref);
    grant_self(21, destination, abi::gtf_readonly);
    request = copy_request(source, 21, 0, 1);
    EXPECT(grant_op(GnttabCmd::copy, request), 0);
    EXPECT_STATUS(request, general_error);
    request = copy_request(source, 20, 0, 1);
    request.source.domid = 1234;
    EXPECT(grant_op(GnttabCmd::copy, request), 0);
    EXPECT_TRUE(request.status != GnttabStatus::okay);
}

}

void xylem_main()
{
    table();
    maps();
    refusals();
    copies();
    finish_test();
}
