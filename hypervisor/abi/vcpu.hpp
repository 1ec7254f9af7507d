// vcpu_op, and the whole state of a vCPU as tools and VCPUOP_initialise pass it.
#pragma once

#include "hypervisor/abi/shared_info.hpp"
#include "hypervisor/abi/trap.hpp"
#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

enum class VcpuCmd : uint32_t {
    initialise = 0,
    up = 1,
    down = 2,
    is_up = 3,
    get_runstate_info = 4,
    register_runstate_memory_area = 5,
    set_periodic_timer = 6,
    stop_periodic_timer = 7,
    set_singleshot_timer = 8,
    stop_singleshot_timer = 9,
    register_vcpu_info = 10,
    send_nmi = 11,
    get_physid = 12,
    register_vcpu_time_memory_area = 13,
};

enum class Runstate : int32_t { running = 0, runnable = 1, blocked = 2, offline = 3 };

struct VcpuRunstateInfo {
    Runstate state;
    uint64_t state_entry_time;
    uint64_t time[4];
};

/// In state_entry_time: an update is under way (only under the vm_assist runstate_update_flag).
inline constexpr uint64_t runstate_update = uint64_t{1} << 63;

struct VcpuRegisterRunstateMemoryArea {
    GuestHandle<VcpuRunstateInfo> addr;
};

struct VcpuSetPeriodicTimer {
    uint64_t period_ns;
};

struct VcpuSetSingleshotTimer {
    uint64_t timeout_abs_ns;
    uint32_t flags;
};

inline constexpr uint32_t vcpu_sshottmr_future = 1U << 0;

struct VcpuRegisterVcpuInfo {
    uint64_t mfn;
    uint32_t offset;
    uint32_t rsvd;
};

struct VcpuGetPhysid {
    uint64_t phys_id; // ACPI id in the high half, APIC id in the low
};

struct VcpuRegisterTimeMemoryArea {
    GuestHandle<VcpuTimeInfo> addr;
};

inline constexpr size_t max_gdt_frames = 16;

struct VcpuGuestContext {
    struct FpuCtxt {
        char x[512];
    } fpu_ctxt;
    uint64_t flags; // vgcf_*
    CpuUserRegs user_regs;
    TrapInfo trap_ctxt[trap_vectors];
    uint64_t ldt_base, ldt_ents;
    uint64_t gdt_frames[max_gdt_frames], gdt_ents;
    uint64_t kernel_ss, kernel_sp;
    uint64_t ctrlreg[8];
    uint64_t debugreg[8];
    uint64_t event_callback_eip;
    uint64_t failsafe_callback_eip;
    uint64_t syscall_callback_eip;
    uint64_t vm_assist;
    uint64_t fs_base;
    uint64_t gs_base_kernel;
    uint64_t gs_base_user;
};

inline constexpr uint64_t vgcf_i387_valid = 1U << 0;
inline constexpr uint64_t vgcf_in_kernel = 1U << 2;
inline constexpr uint64_t vgcf_failsafe_disables_events = 1U << 3;
inline constexpr uint64_t vgcf_syscall_disables_events = 1U << 4;
inline constexpr uint64_t vgcf_online = 1U << 5;

}
