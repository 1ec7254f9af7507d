// XSA-234: a grant unmapped through an entry that maps the frame with other permissions. The wrong entry must stay,
// with its reference, and so must the grant's own.

#include "frontends/guest/grants.hpp"
#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::GnttabStatus;

void xylem_main()
{
    constexpr abi::RawGrantRef ref = 30;
    const abi::RawDomId self = own_domain_id();
    auto* page = static_cast<u64*>(allocate_page()); // mapped writable, by an entry of ours
    auto* place = static_cast<u64*>(allocate_page());
    auto* elsewhere = static_cast<u64*>(allocate_page()); // another frame altogether
    if (!grant_entries()) {
        error("no grant table");
        return finish_test();
    }
    grant(ref, self, page);
    EXPECT(update_va_mapping(place, 0), 0);
    const u64 ours = *entry_of(page), others = *entry_of(elsewhere);

    const auto reading =
        map_grant(reinterpret_cast<u64>(place), abi::gntmap_host_map | abi::gntmap_readonly, ref, self);
    EXPECT(reading.status, GnttabStatus::okay);
    EXPECT(unmap_grant(reinterpret_cast<u64>(page), reading.handle), GnttabStatus::general_error);
    EXPECT(unmap_grant(reinterpret_cast<u64>(elsewhere), reading.handle), GnttabStatus::general_error);
    EXPECT(*entry_of(page), ours);
    EXPECT(*entry_of(elsewhere), others);
    EXPECT_FAULT(try_write(place, 1), 14, 3);
    EXPECT_NO_FAULT(try_write(page, 0));
    EXPECT(unmap_grant(reinterpret_cast<u64>(place), reading.handle), GnttabStatus::okay);

    // The other way round: a writable grant through an entry for reading.
    EXPECT(make_read_only(page), 0);
    const auto writing = map_grant(reinterpret_cast<u64>(place), abi::gntmap_host_map, ref, self);
    EXPECT(writing.status, GnttabStatus::okay);
    EXPECT(unmap_grant(reinterpret_cast<u64>(page), writing.handle), GnttabStatus::general_error);
    EXPECT_NO_FAULT(try_write(place, 0));
    EXPECT(unmap_grant(reinterpret_cast<u64>(place), writing.handle), GnttabStatus::okay);
    // Nothing of the writable view is left: the page can be a page table.
    EXPECT(mmuext(abi::MmuextCmd::pin_l1_table, mfn_of_address(page)), 0);
    EXPECT(mmuext(abi::MmuextCmd::unpin_table, mfn_of_address(page)), 0);
    EXPECT(grant_entries()[ref].flags, abi::gtf_permit_access);
    finish_test();
}
