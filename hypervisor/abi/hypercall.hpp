// The numbers of the hypercalls, as a 64-bit guest puts them into RAX, and the multicall's entry.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

enum class HypercallNumber : uint32_t {
    set_trap_table = 0,
    mmu_update = 1,
    set_gdt = 2,
    stack_switch = 3,
    set_callbacks = 4,
    fpu_taskswitch = 5,
    sched_op_compat = 6,
    platform_op = 7,
    set_debugreg = 8,
    get_debugreg = 9,
    update_descriptor = 10,
    memory_op = 12,
    multicall = 13,
    update_va_mapping = 14,
    set_timer_op = 15,
    event_channel_op_compat = 16,
    xen_version = 17,
    console_io = 18,
    physdev_op_compat = 19,
    grant_table_op = 20,
    vm_assist = 21,
    update_va_mapping_otherdomain = 22,
    iret = 23,
    vcpu_op = 24,
    set_segment_base = 25,
    mmuext_op = 26,
    xsm_op = 27,
    nmi_op = 28,
    sched_op = 29,
    callback_op = 30,
    xenoprof_op = 31,
    event_channel_op = 32,
    physdev_op = 33,
    hvm_op = 34,
    sysctl = 35,
    domctl = 36,
    kexec_op = 37,
    tmem_op = 38,
    argo_op = 39,
    xenpmu_op = 40,
    dm_op = 41,
    hypfs_op = 42,
    mca = 48, // arch_0
    arch_1 = 49,
    arch_2 = 50,
    arch_3 = 51,
    arch_4 = 52,
    arch_5 = 53,
    arch_6 = 54,
    arch_7 = 55, // ours: xylem_op, see xylem.hpp
};

/// The hypercall page has this many stubs, of this many bytes each.
inline constexpr uint32_t hypercall_page_stubs = 128;
inline constexpr uint32_t hypercall_stub_bytes = 32;

/// One call of a multicall. Only `result` is written back, unless the call is preempted: then the whole entry is.
struct MulticallEntry {
    uint64_t op;
    uint64_t result;
    uint64_t args[6];
};

enum class ConsoleIoCmd : uint32_t { write = 0, read = 1 };

}
