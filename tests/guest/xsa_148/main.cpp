// XSA-148: a live upper-level entry turned into a large page, or made writable, without validation. Every command of
// mmu_update must refuse PSE, and the entry must stay as it is.

#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;

void xylem_main()
{
    const void* here = start_info().magic;
    for (const unsigned level : {2U, 3U, 4U}) {
        const u64 at = machine_address_of_entry(here, level), before = *entry_of(here, level);
        for (const u64 command : {0, 2, 3}) {
            EXPECT_TRUE(mmu_update(at | command, before | abi::pte::page_size) < 0);
            EXPECT_TRUE(mmu_update(at | command, before | abi::pte::page_size | abi::pte::writable) < 0);
            EXPECT_TRUE(mmu_update(at | command, (before ^ abi::pte::writable) | abi::pte::page_size) < 0);
            // A large page over the first 2 MiB of the machine, aligned as a processor wants it.
            EXPECT_TRUE(mmu_update(at | command, (before & ~abi::pte::frame_mask) | abi::pte::page_size) < 0);
        }
        EXPECT(*entry_of(here, level) & ~abi::pte::accessed, before & ~abi::pte::accessed);
    }
    // The tables are read-only still.
    for (const unsigned level : {1U, 2U, 3U, 4U})
        EXPECT_TRUE(update_va_mapping(entry_of(here, level),
                                      mfn_of_address(entry_of(here, level)) << page_shift | kernel_page) < 0);
    EXPECT_FAULT(try_write(entry_of(here, 4), 0), 14, 3);
    finish_test();
}
