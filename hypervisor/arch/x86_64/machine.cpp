// The seam's side of the machine: what core/machine.hpp promises.

#include "hypervisor/core/machine.hpp"

#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/arch/x86_64/smp.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/core/log.hpp"

extern "C" {
xylem::u64 user_copy(void* to, const void* from, xylem::u64 bytes);

struct ExceptionTableEntry {
    xylem::u64 fault, fixup;
};
extern const ExceptionTableEntry ex_table_start[], ex_table_end[];
}

namespace xylem::arch {

u64 find_fixup(u64 rip)
{
    for (const ExceptionTableEntry* entry = ex_table_start; entry < ex_table_end; ++entry)
        if (entry->fault == rip)
            return entry->fixup;
    return 0;
}

}

namespace xylem::machine {

using namespace arch;

// ---- Memory --------------------------------------------------------------------------------------------------------

u64 copy_from_guest(void* to, u64 guest_address, u64 bytes)
{
    return user_copy(to, reinterpret_cast<const void*>(guest_address), bytes);
}

u64 copy_to_guest(u64 guest_address, const void* from, u64 bytes)
{
    return user_copy(reinterpret_cast<void*>(guest_address), from, bytes);
}

void write_pte(u64* entry, u64 value)
{
    *static_cast<volatile u64*>(entry) = value;
}

bool compare_exchange_pte(u64* entry, u64& expected, u64 desired)
{
    return atomic_compare_exchange(entry, expected, desired);
}

void flush_all_caches()
{
    const auto flush_own = [] { asm volatile("wbinvd" ::: "memory"); };
    flush_own();
    call_others(flush_own);
}

void flush_cache(const void* start, u64 bytes)
{
    constexpr u64 line = 64;
    const u64 first = reinterpret_cast<u64>(start) & ~(line - 1), end = reinterpret_cast<u64>(start) + bytes;
    for (u64 at = first; at < end; at += line)
        asm volatile("clflush (%0)" ::"r"(at) : "memory");
    asm volatile("mfence" ::: "memory");
}

// ---- Processors ----------------------------------------------------------------------------------------------------

CpuId this_cpu()
{
    return CpuId(cpu().index);
}

void kick(CpuId which)
{
    if (which != this_cpu())
        send_ipi(cpu_data(which).apic_id, vector_kick);
}

void request_schedule(CpuId which)
{
    Cpu& target = cpu_data(which);
    if (!(atomic_or(&target.work, static_cast<u32>(work_schedule)) & work_schedule))
        kick(which);
}

// ---- Locks ---------------------------------------------------------------------------------------------------------

void relax()
{
    asm volatile("pause");
    const u32 work = __atomic_load_n(&cpu().work, __ATOMIC_RELAXED);
    if (work & work_flush)
        serve_flush_requests();
    if (work & work_call)
        serve_call();
}

#ifdef XYLEM_DEBUG

// Two bits a rank count how many locks of it are held: of some ranks two may be, in an order that their owners define.
namespace {

constexpr unsigned bits_per_rank = 2;

unsigned rank_shift(LockRank rank)
{
    return (static_cast<unsigned>(rank) - 1) * bits_per_rank;
}

}

void lock_taken(LockRank rank)
{
    Cpu& c = cpu();
    const u64 held = c.rank_mask;
    if (held >> (rank_shift(rank) + bits_per_rank))
        xylem::panic("a lock of rank {} is taken while one above it is held (two bits a rank: {:x})", rank, held);
    c.rank_mask = static_cast<u32>(held + (u64{1} << rank_shift(rank)));
}

void lock_released(LockRank rank)
{
    cpu().rank_mask -= 1U << rank_shift(rank);
}

#else

void lock_taken(LockRank) {}
void lock_released(LockRank) {}

#endif

}
