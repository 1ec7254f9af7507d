// A processor's own instructions, and its setting up: control registers, MSRs, tables, block.
#pragma once

#include "hypervisor/arch/x86_64/cpu.hpp"
#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::arch {

struct CpuidResult {
    u32 a, b, c, d;
};
inline CpuidResult cpuid(u32 leaf, u32 subleaf = 0)
{
    CpuidResult r;
    asm volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

inline u64 read_tsc()
{
    u32 low, high;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high)::"memory");
    return u64{high} << 32 | low;
}

namespace cr4 {
inline constexpr u64 tsd = 1U << 2, de = 1U << 3, pae = 1U << 5, mce = 1U << 6, pge = 1U << 7, osfxsr = 1U << 9,
                     osxmmexcpt = 1U << 10, fsgsbase = 1U << 16, osxsave = 1U << 18, smep = 1U << 20, smap = 1U << 21;
}

inline u64 read_cr4()
{
    u64 value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}
inline void write_cr4(u64 value)
{
    asm volatile("mov %0, %%cr4" ::"r"(value) : "memory");
}

/// Finds out what this machine's processors have, and decides what is used. Once, on the first processor.
void choose_features();
/// Makes the block (stacks, SYSCALL stub, struct Cpu) and the tables of a processor that is to run.
void create_cpu_block(CpuId id, u32 apic_id);
/// Sets this processor up, on its own block's stack: descriptor tables, TSS, IDT, system call and control registers.
void initialise_processor(CpuId id);
/// Turns SMAP on, if the processor has it, does it right, and the command line lets it. On the first processor, once it
/// has its tables and before any other starts.
void choose_smap();
/// Turns the three-byte no-ops of the user-access windows into stac and clac.
void open_smap_windows();

/// Goes on in `function` on the processor's own stack.
[[noreturn]] void switch_to_block_stack(CpuId id, void (*function)());

}
