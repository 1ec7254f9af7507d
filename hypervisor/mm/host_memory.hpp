// The machine's memory map as the firmware told it.
#pragma once

#include "hypervisor/abi/memory.hpp"
#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::mm {

inline constexpr unsigned max_memory_map_entries = 128;

/// Keeps a copy, and notes in the frame table what is RAM: whole pages of RAM entries from 1 MiB up. What lies below is
/// left to whoever may map I/O memory (option ROMs, BIOS data). Call once the frame table is mapped, before add_ram().
void set_host_memory_map(std::span<const abi::E820Entry> entries);
std::span<const abi::E820Entry> host_memory_map();
/// Whole pages of RAM in it, whoever has them.
u64 host_ram_pages();

}
