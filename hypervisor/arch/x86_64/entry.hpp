// What the trap code offers to the rest of the architecture: delivery to guests, and the way out.
#pragma once

#include "hypervisor/arch/x86_64/cpu.hpp"

#include <optional>

namespace xylem::arch {

inline constexpr u8 vector_debug = 1, vector_nmi = 2, vector_invalid_opcode = 6, vector_device_not_available = 7,
                    vector_double_fault = 8, vector_general_protection = 13, vector_page_fault = 14,
                    vector_machine_check = 18, vector_int80 = 0x80;

/// Delivers an exception to the running guest: its next instruction is its handler's first.
void deliver(Vcpu& vcpu, GuestRegs& regs, u8 vector, std::optional<u32> error_code = {});
/// Delivers #PF for `address`; the user bit of the error code is made what the guest's mode says.
void deliver_page_fault(Vcpu& vcpu, GuestRegs& regs, u64 address, u32 error_code);

/// Writes a frame on the guest kernel's stack and enters `address` there.
void bounce(Vcpu& vcpu, GuestRegs& regs, u64 address, bool mask_events, std::optional<u32> error_code = {});
/// Lets the running vCPU go on in its other mode: the other page-table root, the other GS base.
void toggle_mode(Vcpu& vcpu);

/// Loads a vCPU's state into this processor, whose registers are nobody's.
void load_context(Vcpu& vcpu);
void save_context(Vcpu& vcpu);

/// Fixes up a #GP(0) by doing what the instruction would have done, if the guest may. @return false: the guest gets the
/// #GP
bool emulate_privileged(Vcpu& vcpu, GuestRegs& regs);
/// Carries out a write to a read-only page table. @return false: the guest gets the #PF
bool emulate_page_table_write(Vcpu& vcpu, GuestRegs& regs, u64 address);
/// Passes over a store of dom0's kernel to I/O memory that is read-only to it. @return false: the guest gets the #PF
bool discard_io_write(Vcpu& vcpu, GuestRegs& regs, u64 address);
/// The forced-emulation prefix. @return false: the guest gets the #UD
bool emulate_forced_cpuid(Vcpu& vcpu, GuestRegs& regs);

inline constexpr unsigned max_fetch = 15; ///< bytes of the longest instruction

/// Copies up to 15 bytes of the instruction at the guest's RIP. @return how many could be read
unsigned fetch_instruction(const GuestRegs& regs, u8* bytes);

/// FPU: the running vCPU's registers to and from its image.
void save_fpu(Vcpu& vcpu);
void restore_fpu(Vcpu& vcpu);

/// The running vCPU's descriptor table, and its choice of CR4, into the processor.
void load_guest_gdt(Vcpu& vcpu);
void set_guest_cr4(Vcpu& vcpu);
/// Notes that this processor holds, or holds no longer, translations of a domain.
void add_dirty_cpu(Domain& domain);
void remove_dirty_cpu(Domain& domain);

/// Enters the scheduler on this processor, forever.
[[noreturn]] void start_idle();

inline u64 read_msr(u32 msr)
{
    u32 low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return u64{high} << 32 | low;
}
inline void write_msr(u32 msr, u64 value)
{
    asm volatile("wrmsr" ::"c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)) : "memory");
}

inline constexpr u32 msr_fs_base = 0xc0000100, msr_gs_base = 0xc0000101, msr_inactive_gs_base = 0xc0000102;

}
