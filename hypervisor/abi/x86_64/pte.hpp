// The bits of an x86-64 page-table entry, and the geometry of the four levels.
#pragma once

#include <stdint.h>

namespace xylem::abi {

namespace pte {
inline constexpr uint64_t present = uint64_t{1} << 0;
inline constexpr uint64_t writable = uint64_t{1} << 1;
inline constexpr uint64_t user = uint64_t{1} << 2;
inline constexpr uint64_t write_through = uint64_t{1} << 3; // PWT
inline constexpr uint64_t cache_disable = uint64_t{1} << 4; // PCD
inline constexpr uint64_t accessed = uint64_t{1} << 5;
inline constexpr uint64_t dirty = uint64_t{1} << 6;
inline constexpr uint64_t pat = uint64_t{1} << 7;       // in an L1 entry
inline constexpr uint64_t page_size = uint64_t{1} << 7; // in an L2 or L3 entry
inline constexpr uint64_t global = uint64_t{1} << 8;
inline constexpr uint64_t available = uint64_t{7} << 9;
inline constexpr uint64_t available_shift = 9;
/// Marks a page of the guest's kernel in an L1 entry: the guest asked for US=0, and no hardware bit can say so in
/// ring 3.
inline constexpr uint64_t guest_kernel = uint64_t{1} << 52;
inline constexpr uint64_t available_high = uint64_t{0x7FF} << 52; // bits 52-62
inline constexpr uint64_t no_execute = uint64_t{1} << 63;
/// The frame number, in place.
inline constexpr uint64_t frame_mask = 0x000F'FFFF'FFFF'F000;
inline constexpr uint64_t flags_mask = ~frame_mask;
/// The bits that choose a caching type in an L1 entry.
inline constexpr uint64_t cache_bits = write_through | cache_disable | pat;
}

inline constexpr unsigned page_shift = 12;
inline constexpr uint64_t page_size = uint64_t{1} << page_shift;
inline constexpr uint64_t page_mask = ~(page_size - 1);

inline constexpr unsigned page_table_entries = 512;
inline constexpr unsigned page_table_index_bits = 9;
inline constexpr unsigned l1_shift = 12;
inline constexpr unsigned l2_shift = 21;
inline constexpr unsigned l3_shift = 30;
inline constexpr unsigned l4_shift = 39;

/// Where in a table of `level` (1 to 4) the entry for an address stands.
constexpr unsigned page_table_index(uint64_t virtual_address, unsigned level)
{
    return static_cast<unsigned>(virtual_address >> (page_shift + page_table_index_bits * (level - 1))) &
           (page_table_entries - 1);
}

/// Bits of a page fault's error code.
namespace page_fault {
inline constexpr uint32_t present = 1U << 0;
inline constexpr uint32_t write = 1U << 1;
inline constexpr uint32_t user = 1U << 2;
inline constexpr uint32_t reserved = 1U << 3;
inline constexpr uint32_t instruction = 1U << 4;
}

}
