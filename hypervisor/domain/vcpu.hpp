// A virtual processor: the state that a guest's processor has, and what the hypervisor keeps for it.
//
// The first lines are what the assembly paths (arch/x86_64/entry.S) read; their offsets are generated from this struct.
#pragma once

#include "event_channels/event_channels.hpp"
#include "hypervisor/abi/hypercall.hpp"
#include "hypervisor/abi/trap.hpp"
#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/domain/msr_policy.hpp"
#include "hypervisor/sched/timer.hpp"
#include "hypervisor/sched/unit.hpp"

namespace xylem {

struct Domain;

/// Guest registers as the entry code lays them on the processor's stack; while a vCPU does not run they lie in
/// Vcpu::regs. The order is abi::CpuUserRegs' first part, so that contexts convert field by field.
struct GuestRegs {
    u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    u32 error_code;
    u32 vector;
    u64 rip;
    u64 cs; // bits 15:0 the selector
    u64 rflags;
    u64 rsp;
    u64 ss;
};
static_assert(sizeof(GuestRegs) == 168);

/// Where and how a callback enters the guest. (xen/include/public/callback.h)
struct Callback {
    u64 address = 0;
    u8 masks_events = 0;
};

struct alignas(64) Vcpu {
    // ---- what entry.S reads: keep together
    Domain* domain = nullptr;
    abi::VcpuInfo* info = nullptr; ///< our mapping of the guest's vcpu_info; never null
    u64 kernel_root = 0;           ///< machine address of the kernel page-table root (L4)
    u64 user_root = 0;             ///< likewise for user mode; 0: none
    u64 kernel_sp = 0;             ///< stack_switch: where a bounce from user mode starts
    u64 bounce_sp = 0;             ///< kernel_sp aligned down to 16, or 0 where a frame there would touch our hole
    u64 syscall_callback = 0;
    u8 kernel_mode = 1; ///< guest kernel (1) or guest user (0): both run in ring 3
    u8 syscall_masks_events = 0;
    u8 exit_work = 0;  ///< non-zero: leave by the slow path (traps, NMI, iopl assist, debug registers...)
    u8 ts_virtual = 0; ///< guest's CR0.TS
    u32 kernel_ss = 0;

    Callback event_callback;
    Callback failsafe_callback;
    Callback syscall32_callback;
    Callback sysenter_callback;

    VcpuId id{};
    sched::Unit unit;
    CpuMask soft_affinity{~u64{0}}; ///< kept for the tools; placement does not look at it
    event_channels::VcpuEvents events;

    // ---- architectural state that is not in the registers on the stack
    u64 cr2 = 0;
    u64 cr4 = 0; ///< guest-chosen bits only
    u64 fs_base = 0;
    u64 gs_base_kernel = 0;
    u64 gs_base_user = 0;
    u16 ds = 0, es = 0, fs = 0, gs = 0;
    u64 debug_registers[8] = {};
    u8 iopl = 0; ///< virtual IOPL
    u8 initialised = 0;
    u8 nmi_pending = 0, nmi_masked = 0;
    u8 polling = 0;         ///< in sched_op poll, until it runs again
    u8 breakpoints_off = 0; ///< one of them hit in our code: they come back with the next exit
    u64 io_bitmap = 0;      ///< guest address of its port bitmap
    u32 io_bitmap_ports = 0;
    u64 gdt_frames[16] = {}; ///< mfns; `gdt_entries` says how many count
    u32 gdt_entries = 0;
    u64 next_gdt_frames[16] = {}; ///< validated for a set_gdt that was interrupted: the first `next_gdt_pages`
    u32 next_gdt_pages = 0;
    u32 ldt_entries = 0;
    u64 ldt_base = 0;
    u64* window = nullptr; ///< 32 page-table entries: 16 of our view of its GDT, 16 of its LDT

    u64 vcpu_info_mfn = ~u64{0}; ///< set once by VCPUOP_register_vcpu_info
    u64 runstate_area = 0;       ///< guest address; 0: none
    u64 time_area = 0;
    Nanoseconds periodic_period{};
    Nanoseconds periodic_last{}; ///< when it last rang
    Nanoseconds singleshot{};    ///< 0: not armed
    Nanoseconds time_written{};  ///< when its vcpu_info's time was last written; 0: never
    sched::Timer singleshot_timer, periodic_timer, poll_timer;

    GuestRegs regs{};
    abi::TrapInfo traps[256] = {};
    void* fpu = nullptr; ///< XSAVE image, 64-byte aligned
    u32 fpu_cpu = ~0u;   ///< the processor whose registers may still hold that state
    u64 xcr0 = 1;
    VcpuMsrs msrs; ///< those that it has of its own
};

/// The vCPU that a scheduler's unit is part of.
inline Vcpu& vcpu_of(sched::Unit& unit)
{
    return *reinterpret_cast<Vcpu*>(reinterpret_cast<char*>(&unit) - offsetof(Vcpu, unit));
}

}
