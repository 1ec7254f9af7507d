// The seam: what only a machine can do. Everything below floor 7 reaches hardware through this header alone.
//
// Resolved at link time: hypervisor/arch/x86_64/ for the hypervisor, tests/support/fake_machine.cpp for the host. The
// core's undefined symbols are these and mem{cpy,set,move,cmp}, nothing else; a link check keeps it so.
#pragma once

#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::machine {

// ---- Memory --------------------------------------------------------------------------------------------------------

/// Where machine address 0 lies in our address space: all RAM is mapped from here. Set once at boot.
extern u8* direct_map;
/// One past the highest RAM frame. Frames below it may still be holes: see mm::is_ram().
extern Mfn max_mfn;

template <typename T = u8> T* map(Mfn mfn)
{
    return reinterpret_cast<T*>(direct_map + (mfn.value << page_shift));
}
template <typename T> T* map(MachineAddress address)
{
    return reinterpret_cast<T*>(direct_map + address.value);
}
/// The frame behind a pointer into the direct map.
inline Mfn mfn_of_mapped(const void* pointer)
{
    return Mfn(static_cast<u64>(static_cast<const u8*>(pointer) - direct_map) >> page_shift);
}

/// Copies between our memory and the guest's, at a virtual address of the running vCPU's present address space. The
/// caller has checked the range against the hypervisor's hole (guest_range_ok). @return bytes NOT copied: 0 is success.
u64 copy_from_guest(void* to, u64 guest_address, u64 bytes);
u64 copy_to_guest(u64 guest_address, const void* from, u64 bytes);

// ---- Translations --------------------------------------------------------------------------------------------------

/// Drops all of `cpus`' cached translations; returns when all have done so.
void flush_tlb(CpuMask cpus);
/// Drops the translation of one guest address on `cpus`.
void flush_tlb_page(CpuMask cpus, VirtualAddress address);
/// The flush clock: counts full flushes. A frame stamped with `tlb_clock()` when its last writable mapping went is
/// clean on every processor that has flushed since (xen/arch/x86/flushtlb.c has the idea).
u32 tlb_clock();
/// The processors among `cpus` that have not flushed since `stamp`.
CpuMask stale_cpus(CpuMask cpus, u32 stamp);
/// Writes a page-table entry that the hardware may be reading: one 8-byte store. Every entry of a guest's table, and of
/// its descriptor window, is written by one of these two, so that a test sees each state that the hardware could see.
void write_pte(u64* entry, u64 value);
/// Writes `desired` if the entry is `expected`; else `expected` is what was seen. @return whether it wrote.
bool compare_exchange_pte(u64* entry, u64& expected, u64 desired);
/// Writes the data caches' lines of a range back and drops them, on all processors (CLFLUSH).
void flush_cache(const void* start, u64 bytes);
/// Writes the caches of all processors back and drops them (WBINVD).
void flush_all_caches();
/// Loads a page-table root into this processor; flushes its non-global translations.
void load_root(MachineAddress root);

// ---- Processors ----------------------------------------------------------------------------------------------------

CpuId this_cpu();
unsigned cpu_count(); ///< processors that run
/// Makes `cpu` pass its exit-to-guest path soon: an interrupt if it is another one.
void kick(CpuId cpu);

/// Makes `cpu` choose anew what it runs, before it next enters a guest.
void request_schedule(CpuId cpu);

// ---- Time ----------------------------------------------------------------------------------------------------------

/// Nanoseconds since boot: system time. Monotonic on each processor, and the same on all of them.
Nanoseconds now();
u64 tsc();
/// Arms this processor's timer interrupt for `deadline` (system time); in the past means at once. Replaces what was
/// armed.
void arm_timer(Nanoseconds deadline);
void disarm_timer();

// ---- Words to people -----------------------------------------------------------------------------------------------

/// Writes one complete message to the log ring and the console, if its level is wanted. Called by log.hpp and nobody
/// else.
void write_log(int level, const char* text, size_t length);
[[noreturn]] void panic(const char* text);

}
