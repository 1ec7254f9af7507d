// XSA-212: memory_op's exchange told its results to an address that nobody had checked. No list may lie in the
// hypervisor's part of the address space, neither at once nor behind `nr_exchanged` entries; and all is as before.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/memory.hpp"

using namespace xylem;
using namespace xylem::guest;

namespace {

u64 frame;

i64 exchange(u64 in, u64 out, u64 count = 1, u64 exchanged = 0)
{
    abi::MemoryExchange request{{{in}, count, 0, 0, abi::domid_self}, {{out}, count, 0, 0, abi::domid_self}, exchanged};
    return hypercall(abi::HypercallNumber::memory_op, static_cast<u64>(abi::MemoryCmd::exchange), address_of(request));
}

}

void xylem_main()
{
    void* page = allocate_page();
    frame = mfn_of_address(page);
    EXPECT(update_va_mapping(page, 0), 0);
    for (const u64 address :
         {u64{0xffff8000'00000000}, u64{0xffff8040'00000000}, u64{0xffff8200'00000000}, u64{0xffff8280'00000000},
          u64{0xffff82d0'80000000}, u64{0xffff8300'00000000}, u64{0xffff87ff'ffffffff}, u64{0xffff87ff'fffffff8},
          u64{0x00008000'00000000}, u64{0x80000000'00000000}}) {
        EXPECT_ERROR(exchange(address_of(frame), address), fault);
        EXPECT_ERROR(exchange(address, address_of(frame)), fault);
        // Only behind so many entries does the list reach the address.
        for (const u64 count : {u64{1} << 20, u64{1} << 40, u64{1} << 60})
            EXPECT_TRUE(exchange(address_of(frame) - count * 8, address - count * 8, count + 1, count) < 0);
    }
    const u64 machine = pfn_of_mfn(frame);
    EXPECT(machine, pfn_of(page)); // nobody took the frame
    EXPECT(update_va_mapping(page, frame << page_shift | kernel_page), 0);
    EXPECT_NO_FAULT(try_write(page, 1));
    finish_test();
}
