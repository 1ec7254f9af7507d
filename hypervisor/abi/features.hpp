// Feature bits: get_features answers with them, and a kernel's ELF notes name them.
#pragma once

#include <stdint.h>

namespace xylem::abi {

enum class Feature : uint32_t {
    writable_page_tables = 0,
    writable_descriptor_tables = 1,
    auto_translated_physmap = 2,
    supervisor_mode_kernel = 3,
    pae_pgdir_above_4gb = 4,
    mmu_pt_update_preserve_ad = 5,
    highmem_assist = 6,
    gnttab_map_avail_bits = 7,
    hvm_callback_vector = 8,
    hvm_safe_pvclock = 9,
    hvm_pirqs = 10,
    dom0 = 11,
    memory_op_vnode_supported = 13,
    arm_smccc_supported = 14,
    linux_rsdp_unrestricted = 15,
    not_direct_mapped = 16,
    direct_mapped = 17,
};

inline constexpr uint32_t nr_feature_submaps = 1;

constexpr uint32_t feature_bit(Feature feature)
{
    return 1U << static_cast<uint32_t>(feature);
}

}
