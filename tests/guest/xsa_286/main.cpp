// XSA-286: an upper-level entry changed while the processor still had a translation through a linear page table. What
// the view showed must be gone when the hypercall returns, before the guest flushes anything.

#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;

void xylem_main()
{
    constexpr u64 slot = 300, view_base = 0xffff'0000'0000'0000 | slot << 39;
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base)) << page_shift;
    EXPECT(mmu_update(root + slot * 8, root | abi::pte::present | abi::pte::accessed), 0);

    char* window = reinterpret_cast<char*>(virtual_base + (u64{256} << 20));
    auto* table = static_cast<u64*>(allocate_page());
    table[0] = 0x1230;
    EXPECT(make_read_only(table), 0);
    const u64 entry = mfn_of_address(table) << page_shift | abi::pte::present | abi::pte::writable;
    const u64 at = machine_address_of_entry(window, 2);
    // The window's first L1 entry, through the linear view.
    auto* view = reinterpret_cast<u64*>(view_base | (reinterpret_cast<u64>(window) & 0x0000'ffff'ffff'f000) >> 9);
    for (unsigned round = 0; round < 3; ++round) {
        u64 value;
        EXPECT(mmu_update(at, entry), 0);
        EXPECT_NO_FAULT(try_read(view, value));
        EXPECT(value, 0x1230);
        EXPECT(mmu_update(at, 0), 0);
        EXPECT_FAULT(try_read(view, value), 14, 0);
        // And so it is inside a multicall.
        EXPECT(mmu_update(at, entry), 0);
        EXPECT_NO_FAULT(try_read(view, value));
        abi::MmuUpdate update{at, 0};
        abi::MulticallEntry call{
            static_cast<u64>(abi::HypercallNumber::mmu_update), 0, {address_of(update), 1, 0, abi::domid_self}};
        EXPECT(hypercall(abi::HypercallNumber::multicall, address_of(call), 1), 0);
        EXPECT(call.result, 0);
        EXPECT_FAULT(try_read(view, value), 14, 0);
    }
    EXPECT(make_writable(table), 0);
    EXPECT(mmu_update(root + slot * 8, 0), 0);
    finish_test();
}
