// GDT and LDT of a vCPU: pages into its windows and out again. (docs/pv-abi.md 1.3 to 1.5)

#include "hypervisor/mm/descriptors.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/domain/domain.hpp"
#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/roots.hpp"
#include "hypervisor/mm/update.hpp"

namespace xylem::mm {
namespace {

constexpr u64 window_flags = pte::present | pte::accessed | pte::dirty | pte::no_execute;

unsigned gdt_pages(u32 entries)
{
    return static_cast<unsigned>(pages_for(u64{entries} * sizeof(u64)));
}

u64 window_entry(Mfn mfn)
{
    return address_of(mfn).value | window_flags | pte::writable;
}

void drop_gdt(Vcpu& vcpu)
{
    for (unsigned i = 0; i < gdt_pages(vcpu.gdt_entries); ++i) {
        machine::write_pte(vcpu.window + i, address_of(zero_frame()).value | window_flags);
        put_page_and_type(Mfn(vcpu.gdt_frames[i]));
        vcpu.gdt_frames[i] = 0;
    }
    vcpu.gdt_entries = 0;
}

/// Lets go of pages that an interrupted set_gdt has taken, but for the first `kept`.
void drop_next_gdt(Vcpu& vcpu, unsigned kept)
{
    while (vcpu.next_gdt_pages > kept)
        put_page_and_type(Mfn(vcpu.next_gdt_frames[--vcpu.next_gdt_pages]));
}

/// Takes the pages of the next GDT, after those that an interrupted call has taken.
/// @return Invalid, with nothing taken; Preempted, with what has been taken kept
Result<void> take_next_gdt(Vcpu& vcpu, const u64* frames, unsigned pages)
{
    unsigned kept = 0;
    while (kept < vcpu.next_gdt_pages && kept < pages && vcpu.next_gdt_frames[kept] == frames[kept])
        ++kept;
    drop_next_gdt(vcpu, kept);
    for (unsigned i = kept; i < pages; ++i) {
        if (i > kept && preemption_check && preemption_check())
            return Error::Preempted;
        Result<TypeRef> page = get_page_and_type(Mfn(frames[i]), vcpu.domain->id, PageType::segment_descriptors);
        if (!page.ok()) {
            drop_next_gdt(vcpu, 0);
            return Error::Invalid;
        }
        vcpu.next_gdt_frames[vcpu.next_gdt_pages++] = page.value().release().value;
    }
    return {};
}

/// Takes the pages out of the LDT window. @return whether there were any
bool clear_ldt_window(Vcpu& vcpu)
{
    bool any = false;
    for (u64* entry = vcpu.window + window_gdt_pages; entry < vcpu.window + window_entries; ++entry) {
        if (!is_present(*entry))
            continue;
        const Mfn mfn = target_of(*entry);
        machine::write_pte(entry, 0);
        put_page_and_type(mfn);
        any = true;
    }
    return any;
}

}

// The processor may still read a page that has left a window through a cached translation, until the flush that
// follows. That is safe: as long as it has not flushed, the page cannot become writable (the stamp of its last type
// reference).

Result<void> set_gdt(Vcpu& vcpu, const u64* frames, u32 entries)
{
    if (entries > abi::first_reserved_gdt_entry)
        return Error::Invalid;
    const unsigned pages = gdt_pages(entries);
    TRY(take_next_gdt(vcpu, frames, pages));
    drop_gdt(vcpu);
    for (unsigned i = 0; i < pages; ++i) {
        vcpu.gdt_frames[i] = vcpu.next_gdt_frames[i];
        machine::write_pte(vcpu.window + i, window_entry(Mfn(vcpu.gdt_frames[i])));
    }
    vcpu.next_gdt_pages = 0;
    vcpu.gdt_entries = entries;
    return {};
}

bool map_ldt_page(Vcpu& vcpu, unsigned page)
{
    if (page >= window_ldt_pages || page >= pages_for(u64{vcpu.ldt_entries} * sizeof(u64)))
        return false;
    const u64 guest_entry =
        read_l1_entry(MachineAddress(vcpu.kernel_root), VirtualAddress(vcpu.ldt_base + page * page_size));
    u64* entry = vcpu.window + window_gdt_pages + page;
    if (!is_present(guest_entry) || is_present(*entry))
        return false;
    Result<TypeRef> held = get_page_and_type(target_of(guest_entry), vcpu.domain->id, PageType::segment_descriptors);
    if (!held.ok())
        return false;
    machine::write_pte(entry, window_entry(held.value().release()));
    return true;
}

bool drop_ldt_pages(Vcpu& vcpu)
{
    if (vcpu.ldt_entries == 0 || !clear_ldt_window(vcpu))
        return false;
    machine::flush_tlb(CpuMask::of(machine::this_cpu()));
    return true;
}

void release_descriptors(Vcpu& vcpu)
{
    if (!vcpu.window)
        return;
    drop_gdt(vcpu);
    drop_next_gdt(vcpu, 0);
    clear_ldt_window(vcpu);
    vcpu.ldt_entries = 0;
    vcpu.ldt_base = 0;
}

}
