// Direct paging: mmu_update with all its commands, update_va_mapping, and mmuext_op's pins, base pointers and flushes;
// what is refused, and what entries read back as.

#include "frontends/guest/test.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;
using abi::MmuextCmd;

namespace {

constexpr u64 pf = 14, hole_address = 0xffff830000000000;
/// 256 MiB up: nothing of ours is there, but its L3 entry is.
char* const window = reinterpret_cast<char*>(virtual_base + (u64{256} << 20));
constexpr u64 table_flags = abi::pte::present | abi::pte::writable | abi::pte::accessed;

u64 entry(const void* page, u64 flags)
{
    return mfn_of_address(page) << page_shift | flags;
}

void entries_read_back()
{
    char* page = static_cast<char*>(allocate_page());
    EXPECT(update_va_mapping(page, entry(page, kernel_page)), 0);
    EXPECT(*entry_of(page), entry(page, kernel_page | abi::pte::user | abi::pte::guest_kernel));
    EXPECT(update_va_mapping(page, entry(page, user_page)), 0);
    EXPECT(*entry_of(page), entry(page, user_page | abi::pte::global));
    // What is not present is stored as it is.
    constexpr u64 swapped = 0x1234'5678'9abc'def0;
    EXPECT(update_va_mapping(page, swapped), 0);
    EXPECT(*entry_of(page), swapped);
    u64 value;
    EXPECT_FAULT(try_read(page, value), pf, 0);
    EXPECT(mmu_update(machine_address_of_entry(page), entry(page, read_only_page)), 0);
    EXPECT_NO_FAULT(try_read(page, value));
    mmuext(MmuextCmd::tlb_flush_local);
    EXPECT_FAULT(try_write(page, 1), pf, 3);
    EXPECT(make_writable(page), 0);
    EXPECT_NO_FAULT(try_write(page, 1));
}

void commands()
{
    char* page = static_cast<char*>(allocate_page());
    const u64 at = machine_address_of_entry(page), mfn = mfn_of_address(page), pfn = pfn_of(page);
    EXPECT_ERROR(mmu_update(at | 4, 0), nosys);
    EXPECT_ERROR(mmu_update(at | 7, 0), nosys);

    EXPECT(mmu_update(mfn << page_shift | 1, 0x123456), 0);
    EXPECT(pfn_of_mfn(mfn), 0x123456);
    EXPECT(mmu_update(mfn << page_shift | 1, pfn), 0);
    EXPECT_ERROR(mmu_update(u64{0xfffffff} << page_shift | 1, 1), inval);

    EXPECT(mmu_update(at, entry(page, abi::pte::present | abi::pte::writable)), 0);
    mmuext(MmuextCmd::tlb_flush_local);
    EXPECT_NO_FAULT(try_write(page, 1)); // the processor sets A and D
    EXPECT(mmu_update(at | 2, entry(page, abi::pte::present | abi::pte::writable)), 0);
    EXPECT(*entry_of(page) & (abi::pte::accessed | abi::pte::dirty), abi::pte::accessed | abi::pte::dirty);
    EXPECT(mmu_update(at, entry(page, abi::pte::present | abi::pte::writable)), 0);
    EXPECT(*entry_of(page) & (abi::pte::accessed | abi::pte::dirty), 0);
    EXPECT(mmu_update(at | 3, entry(page, kernel_page)), 0);

    // A page like any other is simply written.
    auto* plain = static_cast<u64*>(allocate_page());
    EXPECT(mmu_update(mfn_of_address(plain) << page_shift | 8, 0xdead), 0);
    EXPECT(plain[1], 0xdead);
}

void refusals()
{
    char* page = static_cast<char*>(allocate_page());
    char* root = reinterpret_cast<char*>(start_info().pt_base);
    const u64 at = machine_address_of_entry(page), good = entry(page, kernel_page);
    EXPECT_ERROR(mmu_update(u64{0xfffffff} << page_shift, 0), inval);
    EXPECT_ERROR(mmu_update(at, entry(root, kernel_page)), busy);
    EXPECT_ERROR(mmu_update(at, good, 1234), srch);
    if (is_dom0())
        EXPECT_ERROR(mmu_update(at, good, 0), srch); // oneself by number
    const u64 l2 = machine_address_of_entry(page, 2), l2_value = *entry_of(page, 2);
    EXPECT_ERROR(mmu_update(l2, l2_value | abi::pte::page_size), inval);
    EXPECT_ERROR(mmu_update(l2, l2_value | abi::pte::global), inval);
    EXPECT_ERROR(mmu_update(l2, entry(page, table_flags)), inval);
    const u64 l4 = mfn_of_address(root) << page_shift;
    for (const u64 slot : {256, 260, 271}) {
        EXPECT_ERROR(mmu_update(l4 + slot * 8, 0), inval);
        EXPECT_ERROR(mmu_update(l4 + slot * 8, entry(page, table_flags)), inval);
    }
    EXPECT(*entry_of(page, 2), l2_value);

    abi::MmuUpdate list[3] = {{at, good}, {at | 4, 0}, {at, good}};
    u32 done = 77;
    const auto call = [&](u64 address, u64 count) {
        return hypercall(HypercallNumber::mmu_update, address, count, address_of(done), abi::domid_self);
    };
    EXPECT_ERROR(call(address_of(list), 3), nosys);
    EXPECT(done, 1);
    EXPECT(call(address_of(list), 1), 0);
    EXPECT(done, 1);
    EXPECT(call(address_of(list), 0), 0);
    EXPECT_ERROR(call(0x5000, 1), fault);
    EXPECT_ERROR(call(hole_address, 1), fault);
}

void mapping_by_address()
{
    char* page = static_cast<char*>(allocate_page());
    EXPECT_ERROR(update_va_mapping(window, entry(page, kernel_page)), inval);
    EXPECT_ERROR(update_va_mapping(reinterpret_cast<void*>(hole_address), 0), inval);
    EXPECT_ERROR(update_va_mapping(reinterpret_cast<void*>(u64{1} << 60), 0), inval);
    EXPECT_ERROR(update_va_mapping(page, entry(page, kernel_page), 1 | 0x5000), fault);
    EXPECT(update_va_mapping(page, entry(page, kernel_page), 0), 0);
    EXPECT(update_va_mapping(page, entry(page, kernel_page), 2), 0);
    EXPECT(update_va_mapping(page, entry(page, kernel_page), 6), 0);
    EXPECT_ERROR(hypercall(HypercallNumber::update_va_mapping_otherdomain, reinterpret_cast<u64>(page),
                           entry(page, kernel_page), 0, 1234),
                 srch);
}

void pins()
{
    auto* table = static_cast<u64*>(allocate_page());
    char* page = static_cast<char*>(allocate_page());
    const u64 mfn = mfn_of_address(table);
    EXPECT_ERROR(mmuext(MmuextCmd::unpin_table, mfn), inval);
    EXPECT_TRUE(mmuext(MmuextCmd::pin_l1_table, mfn) != 0); // mapped writable
    table[0] = entry(table, kernel_page);                   // a writable view of itself
    EXPECT(make_read_only(table), 0);
    EXPECT_TRUE(mmuext(MmuextCmd::pin_l1_table, mfn) != 0);
    EXPECT(make_writable(table), 0);
    table[0] = entry(page, kernel_page);
    table[1] = entry(table, read_only_page);
    EXPECT(make_read_only(table), 0);
    EXPECT(mmuext(MmuextCmd::pin_l1_table, mfn), 0);
    EXPECT(table[0], entry(page, kernel_page | abi::pte::user | abi::pte::guest_kernel));
    EXPECT_ERROR(mmuext(MmuextCmd::pin_l1_table, mfn), inval);
    EXPECT_ERROR(mmuext(MmuextCmd::pin_l2_table, mfn), inval);
    EXPECT_ERROR(make_writable(table), busy);

    const u64 l2 = machine_address_of_entry(window, 2);
    EXPECT(mmu_update(l2, entry(table, table_flags)), 0);
    EXPECT(*entry_of(window, 2), entry(table, table_flags | abi::pte::user));
    u64 value;
    *reinterpret_cast<u64*>(page) = 4711;
    EXPECT_NO_FAULT(try_read(window, value));
    EXPECT(value, 4711);
    EXPECT(mmuext(MmuextCmd::unpin_table, mfn), 0);
    EXPECT_ERROR(mmuext(MmuextCmd::unpin_table, mfn), inval);
    EXPECT_ERROR(make_writable(table), busy); // the L2 entry holds it
    EXPECT(update_va_mapping(window + page_size, 0), 0);
    EXPECT_FAULT(try_read(window + page_size, value), pf, 0);
    EXPECT(mmu_update(l2, 0), 0);
    EXPECT_FAULT(try_read(window, value), pf, 0);
    EXPECT(make_writable(table), 0);
    EXPECT_ERROR(mmuext(MmuextCmd::pin_l1_table, 0xfffffff), inval);
    EXPECT_ERROR(mmuext(MmuextCmd::pin_l1_table, mfn, 0, 1234), srch);
}

void roots()
{
    char* page = static_cast<char*>(allocate_page());
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    EXPECT(mmuext(MmuextCmd::new_baseptr, root), 0);
    EXPECT_ERROR(mmuext(MmuextCmd::new_baseptr, mfn_of_address(page)), inval);
    EXPECT(mmuext(MmuextCmd::new_user_baseptr, root), 0);
    EXPECT_ERROR(mmuext(MmuextCmd::new_user_baseptr, mfn_of_address(page)), inval);
    EXPECT(mmuext(MmuextCmd::new_user_baseptr, 0), 0);

    // A second root: it gets the hypervisor's slots, and can be run on.
    auto* second = static_cast<u64*>(allocate_page());
    const auto* first = reinterpret_cast<u64*>(start_info().pt_base);
    second[511] = first[511];
    second[256] = 0x1234'5000; // ignored
    EXPECT(make_read_only(second), 0);
    EXPECT(mmuext(MmuextCmd::pin_l4_table, mfn_of_address(second)), 0);
    EXPECT(mmuext(MmuextCmd::new_baseptr, mfn_of_address(second)), 0);
    u64 value;
    EXPECT_NO_FAULT(try_read(reinterpret_cast<void*>(abi::mach2phys_virt_start), value));
    EXPECT_ERROR(make_writable(second), busy);
    EXPECT(mmuext(MmuextCmd::new_baseptr, root), 0);
    EXPECT(mmuext(MmuextCmd::unpin_table, mfn_of_address(second)), 0);
    EXPECT(make_writable(second), 0);
}

/// A table may be its own entry, for reading.
void linear_tables()
{
    char* root = reinterpret_cast<char*>(start_info().pt_base);
    const u64 slot = (mfn_of_address(root) << page_shift) + u64{300} * 8;
    EXPECT_ERROR(mmu_update(slot, entry(root, table_flags)), inval);
    EXPECT(mmu_update(slot, entry(root, table_flags & ~abi::pte::writable)), 0);
    u64 value;
    constexpr u64 self_view = 0xffff'0000'0000'0000 | u64{300} << 39 | u64{300} << 30 | u64{300} << 21 | u64{300} << 12;
    EXPECT_NO_FAULT(try_read(reinterpret_cast<void*>(self_view + u64{300} * 8), value));
    EXPECT(value >> page_shift & 0xffffffffff, mfn_of_address(root));
    EXPECT_ERROR(mmu_update(slot, entry(root, table_flags)), inval);
    EXPECT(mmu_update(slot, 0), 0);
}

void other_operations()
{
    auto* page = static_cast<u64*>(allocate_page());
    auto* copy = static_cast<u64*>(allocate_page());
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    page[5] = 55;
    abi::MmuextOp request{MmuextCmd::copy_page, {mfn_of_address(copy)}, {}};
    request.arg2.src_mfn = mfn_of_address(page);
    const auto call = [&] { return hypercall(HypercallNumber::mmuext_op, address_of(request), 1, 0, abi::domid_self); };
    EXPECT(call(), 0);
    EXPECT(copy[5], 55);
    request.arg1.mfn = root;
    EXPECT_ERROR(call(), inval);
    EXPECT(mmuext(MmuextCmd::clear_page, mfn_of_address(copy)), 0);
    EXPECT(copy[5], 0);
    EXPECT_ERROR(mmuext(MmuextCmd::clear_page, root), inval);

    for (const MmuextCmd flush :
         {MmuextCmd::tlb_flush_local, MmuextCmd::invlpg_local, MmuextCmd::tlb_flush_all, MmuextCmd::invlpg_all})
        EXPECT(mmuext(flush, reinterpret_cast<u64>(page)), 0);
    EXPECT(mmuext(MmuextCmd::invlpg_local, hole_address), 0);
    u64 vcpus = 1;
    request = {MmuextCmd::tlb_flush_multi, {0}, {}};
    request.arg2.vcpumask.address = address_of(vcpus);
    EXPECT(call(), 0);
    request.arg2.vcpumask.address = 0x5000;
    EXPECT_ERROR(call(), inval);
    if (is_dom0()) {
        EXPECT(mmuext(MmuextCmd::flush_cache), 0);
        EXPECT(mmuext(MmuextCmd::flush_cache_global), 0);
    } else {
        EXPECT_ERROR(mmuext(MmuextCmd::flush_cache), acces);
        EXPECT_ERROR(mmuext(MmuextCmd::flush_cache_global), inval);
    }
    EXPECT_ERROR(mmuext(MmuextCmd::mark_super), opnotsupp);
    EXPECT_ERROR(mmuext(MmuextCmd::unmark_super), opnotsupp);
    EXPECT_ERROR(mmuext(static_cast<MmuextCmd>(14)), nosys);
    EXPECT_ERROR(mmuext(static_cast<MmuextCmd>(21)), nosys);
    EXPECT_ERROR(hypercall(HypercallNumber::mmuext_op, 0x5000, 1, 0, abi::domid_self), fault);
}

/// Frames that are no RAM are dom0's to map, but for those that no processor can address; and some are read-only to it.
void io_memory()
{
    char* page = static_cast<char*>(allocate_page());
    const u64 at = machine_address_of_entry(page), good = entry(page, kernel_page);
    constexpr u64 hpet = 0xfed00000, local_apic = 0xfee00000, beyond = u64{1} << 51;
    EXPECT_ERROR(mmu_update(at, beyond | kernel_page), perm);
    EXPECT_ERROR(mmu_update(at, local_apic | kernel_page), perm);
    EXPECT_ERROR(mmu_update(at, abi::pte::frame_mask | kernel_page), inval);
    if (!is_dom0()) {
        EXPECT_ERROR(mmu_update(at, hpet | kernel_page), perm);
        return;
    }
    EXPECT(update_va_mapping(page, hpet | kernel_page), 0);
    EXPECT(*entry_of(page) & abi::pte::writable, 0);
    EXPECT(*entry_of(page) & abi::pte::cache_bits, abi::pte::cache_disable | abi::pte::write_through);
    u64 before = 0, after = 0;
    EXPECT_NO_FAULT(try_read(page + 0x10, before));
    EXPECT_NO_FAULT(try_write(page + 0x10, before ^ 1)); // passed over
    EXPECT_NO_FAULT(try_read(page + 0x10, after));
    EXPECT(after, before);
    EXPECT(update_va_mapping(page, good), 0);
}

}

void xylem_main()
{
    entries_read_back();
    io_memory();
    commands();
    refusals();
    mapping_by_address();
    pins();
    roots();
    linear_tables();
    other_operations();
    finish_test();
}
