// What of the address space and of the GDT belongs to the hypervisor, as a 64-bit PV guest knows it.
#pragma once

#include <stdint.h>

namespace xylem::abi {

/// The hole in every guest's address space: L4 slots 256 to 271.
inline constexpr uint64_t hypervisor_virt_start = 0xFFFF'8000'0000'0000;
inline constexpr uint64_t hypervisor_virt_end = 0xFFFF'8800'0000'0000;
inline constexpr unsigned hypervisor_first_slot = 256;
inline constexpr unsigned hypervisor_last_slot = 271;

/// The table of machine-to-physical frame numbers, which guests read.
inline constexpr uint64_t mach2phys_virt_start = 0xFFFF'8000'0000'0000;
inline constexpr uint64_t mach2phys_virt_end = 0xFFFF'8040'0000'0000;
inline constexpr uint64_t mach2phys_nr_entries = (mach2phys_virt_end - mach2phys_virt_start) >> 3;
inline constexpr unsigned mach2phys_slot = 256;
inline constexpr uint64_t invalid_m2p_entry = ~uint64_t{0};
inline constexpr uint64_t shared_m2p_entry = ~uint64_t{0} - 1;

/// The lower half of the address space ends here; no canonical address lies between it and the upper half.
inline constexpr uint64_t lower_half_end = 0x0000'8000'0000'0000;
inline constexpr uint64_t upper_half_start = 0xFFFF'8000'0000'0000;

constexpr bool is_canonical(uint64_t address)
{
    return address < lower_half_end || address >= upper_half_start;
}

constexpr bool in_hypervisor_hole(uint64_t address)
{
    return address >= hypervisor_virt_start && address < hypervisor_virt_end;
}

/// Flat segments that the hypervisor keeps in every guest's GDT, behind the guest's own entries.
inline constexpr uint16_t flat_ring3_cs32 = 0xE023;
inline constexpr uint16_t flat_ring3_cs64 = 0xE033;
inline constexpr uint16_t flat_ring3_ds32 = 0xE02B;
inline constexpr uint16_t flat_ring3_ds64 = 0x0000;
inline constexpr uint16_t flat_ring3_ss32 = 0xE02B;
inline constexpr uint16_t flat_ring3_ss64 = 0xE02B;

inline constexpr uint32_t first_reserved_gdt_page = 14;
inline constexpr uint32_t first_reserved_gdt_byte = first_reserved_gdt_page * 4096;
inline constexpr uint32_t first_reserved_gdt_entry = first_reserved_gdt_byte / 8;

}
