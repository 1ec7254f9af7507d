// XSA-182: a read-only view of the root table made writable, RW being among the bits that change without validation.

#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;

void xylem_main()
{
    constexpr u64 slot = 300, self_view = 0xffff'0000'0000'0000 | slot << 39 | slot << 30 | slot << 21 | slot << 12;
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base)) << page_shift;
    const u64 reading = root | abi::pte::present | abi::pte::accessed | abi::pte::user;
    EXPECT(mmu_update(root + slot * 8, reading), 0);
    auto* view = reinterpret_cast<u64*>(self_view);
    u64 value;
    EXPECT_NO_FAULT(try_read(view + slot, value));
    for (const u64 command : {0, 2, 3})
        for (const u64 more : {u64{0}, abi::pte::dirty, abi::pte::available, abi::pte::no_execute})
            EXPECT_TRUE(mmu_update((root + slot * 8) | command, reading | abi::pte::writable | more) < 0);
    EXPECT(view[slot] & abi::pte::writable, 0);
    EXPECT_FAULT(try_write(view + 511, 0), 14, 3);
    EXPECT_FAULT(try_write(view + abi::mach2phys_slot, 0), 14, 3);
    EXPECT(mmu_update(root + slot * 8, 0), 0);
    finish_test();
}
