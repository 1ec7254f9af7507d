// Direct paging on the wire: mmu_update, update_va_mapping, mmuext_op, vm_assist.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

/// One page-table write. The low bits of `ptr` hold the MmuUpdateCmd, the rest the machine address of the entry.
struct MmuUpdate {
    uint64_t ptr;
    uint64_t val;
};

enum class MmuUpdateCmd : uint32_t {
    normal_pt_update = 0,
    machphys_update = 1,
    pt_update_preserve_ad = 2,
    pt_update_no_translate = 3,
};

/// The bits of MmuUpdate.ptr that hold the command.
inline constexpr uint64_t mmu_update_cmd_mask = 7;

enum class MmuextCmd : uint32_t {
    pin_l1_table = 0,
    pin_l2_table = 1,
    pin_l3_table = 2,
    pin_l4_table = 3,
    unpin_table = 4,
    new_baseptr = 5,
    tlb_flush_local = 6,
    invlpg_local = 7,
    tlb_flush_multi = 8,
    invlpg_multi = 9,
    tlb_flush_all = 10,
    invlpg_all = 11,
    flush_cache = 12,
    set_ldt = 13,
    new_user_baseptr = 15,
    clear_page = 16,
    copy_page = 17,
    flush_cache_global = 18,
    mark_super = 19,
    unmark_super = 20,
};

struct MmuextOp {
    MmuextCmd cmd;
    union Arg1 {
        RawFrame mfn;
        uint64_t linear_addr;
    } arg1;
    union Arg2 {
        uint32_t nr_ents;
        GuestHandle<const uint64_t> vcpumask;
        RawFrame src_mfn;
    } arg2;
};

/// In the count of mmu_update and mmuext_op: this call continues a preempted one.
inline constexpr uint32_t mmu_update_preempted = 1U << 31;

/// Flags of update_va_mapping: what to flush (low two bits), and where (bit 2, or a pointer to a bitmap of vCPUs).
inline constexpr uint64_t uvmf_none = 0;
inline constexpr uint64_t uvmf_tlb_flush = 1;
inline constexpr uint64_t uvmf_invlpg = 2;
inline constexpr uint64_t uvmf_flushtype_mask = 3;
inline constexpr uint64_t uvmf_multi = 0;
inline constexpr uint64_t uvmf_local = 0;
inline constexpr uint64_t uvmf_all = 1U << 2;

enum class VmassistCmd : uint32_t { enable = 0, disable = 1 };

enum class VmassistType : uint32_t {
    four_gb_segments = 0,
    four_gb_segments_notify = 1,
    writable_pagetables = 2,
    pae_extended_cr3 = 3,
    architectural_iopl = 4,
    runstate_update_flag = 5,
    m2p_strict = 32,
};

}
