// Traps, callbacks and the registers of a guest: what set_trap_table, set_callbacks, callback_op, nmi_op and iret
// carry.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

/// One entry of a guest's trap table. A list of them ends with address 0.
struct TrapInfo {
    uint8_t vector;
    uint8_t flags; // bits 0-1: the least privileged ring that may INT n; bit 2: mask events on entry
    uint16_t cs;
    uint64_t address;
};

inline constexpr uint8_t trap_dpl_mask = 3;
inline constexpr uint8_t trap_mask_events = 4;
inline constexpr uint32_t trap_vectors = 256;

/// What lies at RSP when a guest calls iret, lowest address first.
struct IretContext {
    uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};

/// In IretContext.flags: leave by SYSRET.
inline constexpr uint64_t vgcf_in_syscall = 1U << 8;

struct CpuUserRegs {
    uint64_t r15, r14, r13, r12;
    uint64_t rbp, rbx;
    uint64_t r11, r10, r9, r8;
    uint64_t rax, rcx, rdx, rsi, rdi;
    uint32_t error_code;
    uint32_t entry_vector;
    uint64_t rip;
    uint16_t cs, pad0[1];
    uint8_t saved_upcall_mask;
    uint8_t pad1[3];
    uint64_t rflags;
    uint64_t rsp;
    uint16_t ss, pad2[3];
    uint16_t es, pad3[3];
    uint16_t ds, pad4[3];
    uint16_t fs, pad5[3];
    uint16_t gs, pad6[3];
};

enum class CallbackCmd : uint32_t { register_callback = 0, unregister_callback = 1 };

enum class CallbackType : uint16_t {
    event = 0,
    failsafe = 1,
    syscall = 2,
    sysenter_deprecated = 3,
    nmi = 4,
    sysenter = 5,
    syscall32 = 7,
};

inline constexpr uint16_t callbackf_mask_events = 1 << 0;

struct CallbackRegister {
    CallbackType type;
    uint16_t flags;
    uint64_t address;
};

struct CallbackUnregister {
    CallbackType type;
    uint16_t unused;
};

enum class NmiCmd : uint32_t { register_callback = 0, unregister_callback = 1 };

struct NmiCallback {
    uint64_t handler_address;
    uint64_t pad;
};

/// First argument of set_segment_base.
enum class SegmentBase : uint32_t { fs = 0, gs_user = 1, gs_kernel = 2, gs_user_sel = 3 };

}
