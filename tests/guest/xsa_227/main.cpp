// XSA-227: a grant mapped by the machine address of a page-table entry that is not aligned: it spans two entries, or a
// page's end. Each must be refused with no entry changed.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::GnttabStatus;

void xylem_main()
{
    constexpr abi::RawGrantRef ref = 30;
    constexpr u32 flags = abi::gntmap_host_map | abi::gntmap_contains_pte;
    const abi::RawDomId self = own_domain_id();
    void* page = allocate_page();
    void* place = allocate_page();
    void* next = allocate_page();
    if (!grant_entries()) {
        error("no grant table");
        return finish_test();
    }
    grant(ref, self, page);
    EXPECT(update_va_mapping(place, 0), 0);
    const u64 at = machine_address_of_entry(place), beside = *entry_of(next);
    for (u64 offset = 1; offset < 8; ++offset) {
        EXPECT_TRUE(map_grant(at + offset, flags, ref, self).status != GnttabStatus::okay);
        EXPECT_TRUE(map_grant((at & page_mask) + page_size - 8 + offset, flags, ref, self).status !=
                    GnttabStatus::okay);
    }
    // Neither by entries of other tables, nor of pages that are none.
    for (const unsigned level : {2U, 3U, 4U})
        EXPECT_TRUE(map_grant(machine_address_of_entry(place, level), flags, ref, self).status != GnttabStatus::okay);
    EXPECT_TRUE(map_grant(mfn_of_address(page) << page_shift, flags, ref, self).status != GnttabStatus::okay);
    EXPECT_TRUE(map_grant(u64{0xfffffff} << page_shift, flags, ref, self).status != GnttabStatus::okay);
    EXPECT(*entry_of(place), 0);
    EXPECT(*entry_of(next), beside);
    EXPECT(grant_entries()[ref].flags, abi::gtf_permit_access);

    const auto mapped = map_grant(at, flags, ref, self);
    EXPECT(mapped.status, GnttabStatus::okay);
    for (u64 offset = 1; offset < 8; ++offset)
        EXPECT_TRUE(unmap_grant(at + offset, mapped.handle) != GnttabStatus::okay);
    EXPECT(unmap_grant(at, mapped.handle), GnttabStatus::okay);
    EXPECT(grant_entries()[ref].flags, abi::gtf_permit_access);
    finish_test();
}
