// Segment bases and selectors, and the descriptor tables: set_segment_base, set_gdt, update_descriptor and the LDT,
// whose pages are mapped when a descriptor is first fetched.

#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 gp = 13, pf = 14, non_canonical = u64{1} << 60;
constexpr u64 data_descriptor = 0x00cf'f200'0000'ffff, data_descriptor_ring0 = 0x00cf'9200'0000'ffff;
constexpr u64 code_descriptor = 0x00af'fa00'0000'ffff, tss_descriptor = 0x0000'8900'0000'0067;
constexpr u64 accessed = u64{1} << 40;
void* const unmapped = reinterpret_cast<void*>(0x5000);

i64 set_base(u64 which, u64 base)
{
    return hypercall(HypercallNumber::set_segment_base, which, base);
}

u64 read_msr(u32 msr)
{
    u32 low = 0, high = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("rdmsr", : "=a"(low), "=d"(high) : "c"(msr)));
    return u64{high} << 32 | low;
}
Fault write_msr(u32 msr, u64 value)
{
    return TRY_INSTRUCTION("wrmsr", ::"c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}

Fault load_ds(u32 selector)
{
    return TRY_INSTRUCTION("mov %0, %%ds", ::"r"(selector));
}
u64 ds()
{
    u64 selector;
    asm volatile("mov %%ds, %0" : "=r"(selector));
    return selector & 0xffff;
}
u64 gs()
{
    u64 selector;
    asm volatile("mov %%gs, %0" : "=r"(selector));
    return selector & 0xffff;
}

void bases()
{
    constexpr u32 msr_fs = 0xc0000100, msr_gs = 0xc0000101, msr_kernel_gs = 0xc0000102;
    static u64 cell[3] = {11, 22, 33};
    u64 value;
    EXPECT(set_base(0, reinterpret_cast<u64>(&cell[0])), 0);
    EXPECT(set_base(2, reinterpret_cast<u64>(&cell[1])), 0);
    EXPECT(set_base(1, reinterpret_cast<u64>(&cell[2])), 0);
    asm volatile("mov %%fs:0, %0" : "=r"(value));
    EXPECT(value, 11);
    asm volatile("mov %%gs:0, %0" : "=r"(value));
    EXPECT(value, 22);
    EXPECT(read_msr(msr_fs), reinterpret_cast<u64>(&cell[0]));
    EXPECT(read_msr(msr_gs), reinterpret_cast<u64>(&cell[1]));
    EXPECT(read_msr(msr_kernel_gs), reinterpret_cast<u64>(&cell[2]));
    EXPECT_NO_FAULT(write_msr(msr_gs, reinterpret_cast<u64>(&cell[2])));
    asm volatile("mov %%gs:0, %0" : "=r"(value));
    EXPECT(value, 33);
    EXPECT_NO_FAULT(write_msr(msr_kernel_gs, 0));
    EXPECT(read_msr(msr_kernel_gs), 0);
    EXPECT_FAULT(write_msr(msr_fs, non_canonical), gp, 0);
    for (const u64 which : {0, 1, 2})
        EXPECT_ERROR(set_base(which, non_canonical), inval);
    EXPECT_ERROR(set_base(4, 0), inval);
    EXPECT_FAULT(TRY_INSTRUCTION("swapgs", ::), gp, 0);
}

void selectors()
{
    EXPECT_NO_FAULT(load_ds(abi::flat_ring3_ds32));
    hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::yield));
    EXPECT(ds(), abi::flat_ring3_ds32);
    EXPECT_FAULT(load_ds(0x10), gp, 0x10);
    EXPECT_FAULT(load_ds(0xf000), gp, 0xf000);
    EXPECT(ds(), abi::flat_ring3_ds32);
    EXPECT_NO_FAULT(load_ds(0));
    EXPECT(set_base(3, abi::flat_ring3_ds32), 0);
    EXPECT(gs(), abi::flat_ring3_ds32);
    EXPECT(set_base(3, 0x13), 0); // not there: it becomes null, and nobody says so
    EXPECT(gs(), 0);
}

u64 maddr_of(const u64* descriptor)
{
    return mfn_of_address(descriptor) << page_shift | (reinterpret_cast<u64>(descriptor) & ~page_mask);
}
i64 update_descriptor(const u64* descriptor, u64 value)
{
    return hypercall(HypercallNumber::update_descriptor, maddr_of(descriptor), value);
}
i64 set_gdt(const u64* table, u64 entries)
{
    u64 frames[1] = {mfn_of_address(table)};
    return hypercall(HypercallNumber::set_gdt, reinterpret_cast<u64>(frames), entries);
}

void gdt()
{
    auto* table = static_cast<u64*>(allocate_page());
    table[1] = data_descriptor_ring0;
    table[2] = code_descriptor;
    table[3] = tss_descriptor;
    EXPECT_ERROR(set_gdt(table, 7169), inval);
    EXPECT_ERROR(hypercall(HypercallNumber::set_gdt, reinterpret_cast<u64>(unmapped), 8), fault);
    EXPECT_ERROR(set_gdt(table, 8), inval); // mapped writable
    EXPECT(make_read_only(table), 0);
    EXPECT_ERROR(set_gdt(table, 8), inval); // a TSS
    EXPECT(make_writable(table), 0);
    table[3] = 0;
    EXPECT(make_read_only(table), 0);
    EXPECT(set_gdt(table, 8), 0);
    EXPECT(table[1] & ~accessed, data_descriptor); // ring 0 has become 3
    EXPECT_NO_FAULT(load_ds(1 << 3));
    EXPECT(ds(), 1 << 3 | 0);
    EXPECT_FAULT(load_ds(3 << 3), gp, 3 << 3);
    EXPECT_ERROR(make_writable(table), busy);

    EXPECT(update_descriptor(table + 3, data_descriptor), 0);
    EXPECT_NO_FAULT(load_ds(3 << 3 | 3));
    EXPECT_ERROR(update_descriptor(table + 4, tss_descriptor), inval);
    EXPECT(table[4], 0);
    EXPECT_ERROR(hypercall(HypercallNumber::update_descriptor, maddr_of(table) + 4, 0), inval);
    EXPECT_ERROR(update_descriptor(reinterpret_cast<u64*>(start_info().pt_base), data_descriptor), inval);
    EXPECT_ERROR(hypercall(HypercallNumber::update_descriptor, u64{0xfffffff} << page_shift, 0), inval);
    u64* plain = static_cast<u64*>(allocate_page());
    EXPECT(update_descriptor(plain, data_descriptor), 0); // a page like any other
    EXPECT(plain[0], data_descriptor);

    EXPECT_NO_FAULT(load_ds(0));
    EXPECT(hypercall(HypercallNumber::set_gdt, 0, 0), 0);
    EXPECT_FAULT(load_ds(1 << 3), gp, 1 << 3);
    EXPECT(make_writable(table), 0);
}

i64 set_ldt(const void* table, u64 entries)
{
    return mmuext(abi::MmuextCmd::set_ldt, reinterpret_cast<u64>(table), entries);
}

void ldt()
{
    constexpr u32 ldt_selector = 4 | 3;
    auto* table = static_cast<u64*>(allocate_page());
    table[1] = data_descriptor;
    EXPECT_ERROR(set_ldt(table + 1, 8), inval);
    EXPECT_ERROR(set_ldt(table, 8193), inval);
    EXPECT(set_ldt(table + 1, 0), 0); // without entries the address is none
    EXPECT_FAULT(load_ds(1 << 3 | ldt_selector), gp, 1 << 3 | 4);
    EXPECT(set_ldt(table, 8), 0);
    const Fault writable = load_ds(1 << 3 | ldt_selector);
    EXPECT(writable.vector, pf);
    EXPECT(writable.address, reinterpret_cast<u64>(table + 1));
    EXPECT(make_read_only(table), 0);
    EXPECT_NO_FAULT(load_ds(1 << 3 | ldt_selector));
    EXPECT(ds(), 1 << 3 | ldt_selector);
    EXPECT_FAULT(load_ds(9 << 3 | ldt_selector), gp, 9 << 3 | 4); // beyond its end
    EXPECT_ERROR(make_writable(table), busy);
    EXPECT(update_descriptor(table + 2, data_descriptor), 0);
    EXPECT_NO_FAULT(load_ds(2 << 3 | ldt_selector));
    EXPECT_NO_FAULT(load_ds(0));
    EXPECT(set_ldt(nullptr, 0), 0);
    EXPECT(make_writable(table), 0);
    EXPECT(set_ldt(unmapped, 8), 0);
    const Fault missing = load_ds(1 << 3 | ldt_selector);
    EXPECT(missing.vector, pf);
    EXPECT(missing.address, reinterpret_cast<u64>(unmapped) + 8);
    EXPECT(set_ldt(nullptr, 0), 0);
}

}

void xylem_main()
{
    bases();
    selectors();
    gdt();
    ldt();
    finish_test();
}
