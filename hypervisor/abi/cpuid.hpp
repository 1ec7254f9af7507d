// The hypervisor's CPUID leaves, and CPU policies as tools pass them.
#pragma once

#include <stdint.h>

namespace xylem::abi {

inline constexpr uint32_t cpuid_first_leaf = 0x4000'0000;
inline constexpr uint32_t cpuid_signature_ebx = 0x566E'6558; // "XenV"
inline constexpr uint32_t cpuid_signature_ecx = 0x6558'4D4D; // "MMXe"
inline constexpr uint32_t cpuid_signature_edx = 0x4D4D'566E; // "nVMM"
inline constexpr uint32_t cpuid_feat1_mmu_pt_update_preserve_ad = 1U << 0;
inline constexpr uint32_t cpuid_machine_address_width_mask = 0xFF;
inline constexpr uint32_t cpuid_max_num_leaves = 5;

inline constexpr uint32_t cpuid_no_subleaf = 0xFFFF'FFFF;

struct CpuidLeaf {
    uint32_t leaf, subleaf;
    uint32_t a, b, c, d;
};

struct MsrEntry {
    uint32_t idx;
    uint32_t flags;
    uint64_t val;
};

/// UD2 and "xen": these bytes before CPUID ask for the virtual CPUID.
inline constexpr uint8_t emulate_prefix[5] = {0x0F, 0x0B, 0x78, 0x65, 0x6E};

}
