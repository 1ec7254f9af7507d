// The tables behind the descriptor windows of a domain's vCPUs: one L2, and L1 tables of 16 windows each.

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/roots.hpp"

namespace xylem::mm {
namespace {

namespace pte = abi::pte;

constexpr unsigned windows_per_table = abi::page_table_entries / window_entries;
constexpr u64 table_flags = pte::present | pte::writable | pte::accessed | pte::dirty;
constexpr u64 page_flags = pte::present | pte::accessed | pte::dirty | pte::no_execute;

/// The table that `entry` points to, made if it is missing.
Result<u64*> table_behind(u64* entry)
{
    if (!(*entry & pte::present)) {
        const Mfn fresh = TRY(allocate_frame());
        machine::write_pte(entry, address_of(fresh).value | table_flags);
    }
    return machine::map<u64>(MachineAddress(*entry & pte::frame_mask));
}

void free_table(u64 entry)
{
    if (entry & pte::present)
        free_frame(Mfn((entry & pte::frame_mask) >> page_shift));
}

}

Result<u64*> create_window(Owner& owner, unsigned index, Mfn shared_gdt)
{
    u64* l2 = TRY(table_behind(machine::map<u64>(owner.perdomain_l3)));
    u64* l1 = TRY(table_behind(l2 + index / windows_per_table));
    u64* window = l1 + index % windows_per_table * window_entries;
    for (unsigned i = 0; i < window_gdt_pages; ++i)
        machine::write_pte(window + i, address_of(zero_frame()).value | page_flags);
    machine::write_pte(window + abi::first_reserved_gdt_page,
                       address_of(shared_gdt).value | page_flags | pte::writable);
    return window;
}

void free_window_tables(Owner& owner)
{
    if (owner.perdomain_l3 == Mfn{})
        return;
    const u64 l2_entry = *machine::map<u64>(owner.perdomain_l3);
    if (l2_entry & pte::present)
        for (unsigned i = 0; i < abi::page_table_entries; ++i)
            free_table(machine::map<u64>(MachineAddress(l2_entry & pte::frame_mask))[i]);
    free_table(l2_entry);
    free_frame(owner.perdomain_l3);
    owner.perdomain_l3 = Mfn{};
}

}
