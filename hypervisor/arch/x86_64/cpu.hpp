// A processor: what is found from its stack pointer, with no segment register (those belong to the guest).
#pragma once

#include "hypervisor/arch/x86_64/layout.hpp"
#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/domain/vcpu.hpp"

namespace xylem::arch {

/// What a processor is asked to do before it returns to a guest (Cpu::work, set by itself or by others).
enum Work : u32 {
    work_schedule = 1, ///< choose anew what to run
    work_timer = 2,    ///< timers have run out
    work_flush = 4,    ///< TLB flush requested (also served in spin waits)
    work_call = 8,     ///< a function to call is set (stop the world, panic)
};

/// At the top of the processor's block. The first members are read by entry.S.
struct alignas(64) Cpu {
    Vcpu* current = nullptr; ///< the vCPU whose registers and address space are loaded; never null once running
    u64 scratch_rsp = 0;     ///< the SYSCALL stub saves the guest's stack pointer here
    u32 work = 0;            ///< bits of Work; others set them atomically
    u32 index = 0;
    u64 loaded_root = 0; ///< what CR3 holds
    u32 hypercall = ~0u; ///< number of the one being served, for the panic report
    u32 apic_id = 0;
    u32 flush_time = 0; ///< flush clock at our last full flush
    u32 rank_mask = 0;  ///< ranks of the locks held (debug)
    Vcpu* idle = nullptr;
    Vcpu* fpu_owner = nullptr; ///< whose FPU state the registers hold
    Nanoseconds armed_deadline{};
    u64 statistics[8] = {};
};

/// The processor that runs this. Valid on each of its stacks.
inline Cpu& cpu()
{
    u64 rsp;
    asm("mov %%rsp, %0" : "=r"(rsp));
    return *reinterpret_cast<Cpu*>((rsp | (CPU_BLOCK_SIZE - 1)) + 1 - sizeof(Cpu));
}

/// The guest registers that the entry path saved: right below struct Cpu.
inline GuestRegs& guest_regs()
{
    return *reinterpret_cast<GuestRegs*>(reinterpret_cast<u64>(&cpu()) - sizeof(GuestRegs));
}

inline Vcpu& current()
{
    return *cpu().current;
}

/// The processor with this index, from anywhere.
inline Cpu& cpu_data(CpuId id)
{
    return *reinterpret_cast<Cpu*>(LAYOUT_CPU_BLOCKS + id.value * u64{CPU_BLOCK_STRIDE} + CPU_BLOCK_SIZE - sizeof(Cpu));
}

}
