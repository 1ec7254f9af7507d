// What the architecture's parts offer each other beyond the seam: address space, faults, requests between processors,
// features.
#pragma once

#include "hypervisor/arch/x86_64/cpu.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::arch {

// ---- Address space
/// The root that has nothing but the hypervisor's part: what a processor runs on when no guest's is loaded.
MachineAddress template_root();
/// Loads this processor's own descriptor table, which has nothing of a guest's.
void load_boot_gdt();
/// The frame of descriptors that page 14 of every vCPU's GDT window maps.
Mfn shared_gdt_frame();

// ---- Faults
/// Where an instruction of ours that may fault goes on; 0 if it is none.
u64 find_fixup(u64 rip);
/// A trap that only a bug of ours explains: registers, backtrace, end.
[[noreturn]] void panic_on_trap(const GuestRegs& regs);
/// NMI: a processor that panics stops the others by it; any other is passed over.
void handle_nmi(GuestRegs& regs);
/// The last words have been said: reboots, or halts if noreboot was given.
[[noreturn]] void end_after_panic();

// ---- Requests between processors
void serve_flush_requests();
/// Runs the function that another processor asked all others to run.
void serve_call();
/// Runs `function` on every processor but this one, and returns when all have done so.
void call_others(void (*function)());

// ---- Features of the processors, as they are used
/// XCR0 with everything that is on; 0: no XSAVE, FXSAVE is used.
u64 xsave_mask();
/// CR4 while no guest has a say: what a guest may choose is added to it.
u64 host_cr4();

}
