// A vCPU's descriptor tables: the windows through which the processor reads the pages of its GDT and LDT.
//
// A window is 16 entries for the GDT and 16 for the LDT, in the domain's part of every address space (slot 260). They
// are supervisor pages, writable, since the processor sets accessed bits. A page stands in a window by a
// segment_descriptors reference, so that the guest cannot write it. GDT pages are there as long as the GDT is set; LDT
// pages come at their first use.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem {
struct Vcpu;
}

namespace xylem::mm {

inline constexpr unsigned window_gdt_pages = 16; ///< of which 14 are the guest's, then one of the hypervisor's
inline constexpr unsigned window_ldt_pages = 16;
inline constexpr unsigned window_entries = window_gdt_pages + window_ldt_pages;

/// The window of vCPU `index`: makes the tables down to it (owner.perdomain_l3 is there), and fills it: empty
/// descriptors for the guest's GDT pages, `shared_gdt` behind them, no LDT. @return its entries; NoMemory
Result<u64*> create_window(Owner& owner, unsigned index, Mfn shared_gdt);
/// Frees perdomain_l3 and all below it. No root of the owner exists any more.
void free_window_tables(Owner& owner);

/// Replaces the GDT: `entries` descriptors in the guest's `frames`. @return Invalid, with nothing changed  too many, or
/// a frame that is not the domain's or cannot be a descriptor page
///         Preempted  call again: the pages that have been validated are kept
Result<void> set_gdt(Vcpu& vcpu, const u64* frames, u32 entries);
/// Puts page `page` of the LDT into the window, as the guest's page tables have it. For the running vCPU, by the fault
/// handler.
/// @return whether it is there now
bool map_ldt_page(Vcpu& vcpu, unsigned page);
/// Takes all LDT pages out of the window and lets go of them. @return whether there were any: then the processor that
/// runs the vCPU has to flush (done here if it is this one)
bool drop_ldt_pages(Vcpu& vcpu);
/// Lets go of GDT and LDT, of a vCPU that runs nowhere.
void release_descriptors(Vcpu& vcpu);

}
