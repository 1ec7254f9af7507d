// ELF notes by which a PV kernel tells its loader what it wants.
#pragma once

#include <stdint.h>

namespace xylem::abi {

enum class ElfNote : uint32_t {
    info = 0,
    entry = 1,
    hypercall_page = 2,
    virt_base = 3,
    paddr_offset = 4,
    xen_version = 5,
    guest_os = 6,
    guest_version = 7,
    loader = 8,
    pae_mode = 9,
    features = 10,
    bsd_symtab = 11,
    hv_start_low = 12,
    l1_mfn_valid = 13,
    suspend_cancel = 14,
    init_p2m = 15,
    mod_start_pfn = 16,
    supported_features = 17,
    phys32_entry = 18,
};

inline constexpr uint32_t elfnote_max = 18;
inline constexpr char elfnote_name[] = "Xen";

}
