// Ordinary instructions that write to a page table: each form that Linux uses does what it says, is validated like an
// mmu_update, and leaves flags and registers as on memory; what is not allowed faults.

#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 pf = 14, refused_write = 3;
constexpr u64 stored_bits = abi::pte::user | abi::pte::guest_kernel; // what becomes of a kernel's entry

u64* table; // is an L1 table, mapped read-only, in use for the 2 MiB at `window`
char* const window = reinterpret_cast<char*>(virtual_base + (u64{256} << 20));
u64 good, other; // entries for two pages

void set_up()
{
    table = static_cast<u64*>(allocate_page());
    good = mfn_of_address(allocate_page()) << page_shift | kernel_page;
    other = mfn_of_address(allocate_page()) << page_shift | kernel_page;
    EXPECT(make_read_only(table), 0);
    EXPECT(mmu_update(machine_address_of_entry(window, 2), mfn_of_address(table) << page_shift | kernel_page), 0);
}

void assist(u64 cmd)
{
    EXPECT(hypercall(HypercallNumber::vm_assist, cmd, static_cast<u64>(abi::VmassistType::writable_pagetables)), 0);
}

void without_the_assist()
{
    assist(1);
    EXPECT_FAULT(try_write(table, good), pf, refused_write);
    EXPECT(table[0], 0);
    assist(0);
}

void moves()
{
    EXPECT_NO_FAULT(try_write(table + 1, good));
    EXPECT(table[1], good | stored_bits);
    u64 value;
    EXPECT_NO_FAULT(try_read(window + page_size, value));
    EXPECT_NO_FAULT(TRY_INSTRUCTION("movq $0, %0", : "+m"(table[1])));
    EXPECT(table[1], 0);
    mmuext(abi::MmuextCmd::tlb_flush_local);
    EXPECT_FAULT(try_read(window + page_size, value), pf, 0);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("movq $0x7ffffff0, %0", : "+m"(table[1])));
    EXPECT(table[1], 0x7ffffff0);
    auto* words = reinterpret_cast<u16*>(table + 1);
    auto* bytes = reinterpret_cast<u8*>(table + 1);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("movl $0x12345670, %0", : "+m"(table[1])));
    EXPECT_NO_FAULT(TRY_INSTRUCTION("movw $0x4440, %0", : "+m"(words[2])));
    EXPECT_NO_FAULT(TRY_INSTRUCTION("movb $0x55, %0", : "+m"(bytes[7])));
    EXPECT(table[1], 0x55004440'12345670);
    u64* to = table + 2;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("stosq", : "+D"(to) : "a"(other)));
    EXPECT(reinterpret_cast<u64>(to), reinterpret_cast<u64>(table + 3));
    EXPECT(table[2], other | stored_bits);
}

void exchanges()
{
    u64 value = good;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("xchg %0, %1", : "+r"(value), "+m"(table[2])));
    EXPECT(value, other | stored_bits);
    EXPECT(table[2], good | stored_bits);
    u64 expected = good | stored_bits;
    u8 equal = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock cmpxchg %3, %1\n sete %2",
                                    : "+a"(expected), "+m"(table[2]), "=r"(equal)
                                    : "r"(other)));
    EXPECT(equal, 1);
    EXPECT(table[2], other | stored_bits);
    expected = 1;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock cmpxchg %3, %1\n sete %2",
                                    : "+a"(expected), "+m"(table[2]), "=r"(equal)
                                    : "r"(good)));
    EXPECT(equal, 0);
    EXPECT(expected, other | stored_bits);
    EXPECT(table[2], other | stored_bits);
    value = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("xchg %0, %1", : "+r"(value), "+m"(table[2])));
    EXPECT(table[2], 0);
}

void bits()
{
    EXPECT_NO_FAULT(try_write(table + 3, good));
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock andb $0xfd, %0", : "+m"(table[3]))); // clear_bit of RW
    EXPECT(table[3], (good & ~abi::pte::writable) | stored_bits);
    u8 carry = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock btrq $5, %0\n setc %1", : "+m"(table[3]), "=r"(carry)));
    EXPECT(carry, 1);
    EXPECT(table[3] & abi::pte::accessed, 0);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock btrq $5, %0\n setc %1", : "+m"(table[3]), "=r"(carry)));
    EXPECT(carry, 0);
    const u64 accessed_bit = 5;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock btsq %2, %0\n setc %1", : "+m"(table[3]), "=r"(carry) : "r"(accessed_bit)));
    EXPECT(carry, 0);
    EXPECT(table[3] & abi::pte::accessed, abi::pte::accessed);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock btr %2, %0\n setc %1", : "+m"(table[3]), "=r"(carry) : "r"(accessed_bit)));
    EXPECT(carry, 1);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("lock orb $2, %0", : "+m"(table[3])));
    EXPECT(table[3], (good & ~abi::pte::accessed) | stored_bits);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("andq $0, %0", : "+m"(table[3])));
    EXPECT(table[3], 0);
}

void refusals()
{
    const u64 own_table = mfn_of_address(table) << page_shift | kernel_page;
    u64 value = own_table;
    EXPECT_NO_FAULT(try_write(table + 4, good));
    EXPECT_FAULT(try_write(table + 4, own_table), pf, refused_write);
    EXPECT_FAULT(TRY_INSTRUCTION("xchg %0, %1", : "+r"(value), "+m"(table[4])), pf, refused_write);
    EXPECT(table[4], good | stored_bits);
    auto* between = reinterpret_cast<u64*>(reinterpret_cast<char*>(table) + 36);
    EXPECT_FAULT(try_write(between, 0), pf, refused_write);
    EXPECT_FAULT(TRY_INSTRUCTION("movaps %%xmm0, %0",
                                 : "+m"(*reinterpret_cast<unsigned __int128*>(table + 4))),
                 pf, refused_write);
    EXPECT(table[4], good | stored_bits);
    // Tables above L1 are written by hypercall only.
    EXPECT_FAULT(try_write(entry_of(window, 2), 0), pf, refused_write);
    EXPECT_FAULT(try_write(entry_of(window, 4), 0), pf, refused_write);
    EXPECT_NO_FAULT(try_write(table + 4, 0));
}

}

void xylem_main()
{
    set_up();
    if (is_dom0())
        assist(0); // Xen looks after dom0's writes with and without it
    else
        without_the_assist();
    moves();
    exchanges();
    bits();
    refusals();
    finish_test();
}
