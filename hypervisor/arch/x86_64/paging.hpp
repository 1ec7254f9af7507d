// The hypervisor's own address space: direct map, M2P, frame table, devices, image, processors' blocks. (layout.hpp)
#pragma once

#include "hypervisor/arch/x86_64/layout.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// Builds and loads it, from the boot allocator's memory, then gives what memory is left to the heap.
void build_address_space();

/// Maps a device's registers (uncached) or firmware tables (read-only, cached). Never undone. The result is as little
/// aligned as `start`.
void* map_device_bytes(MachineAddress start, u64 bytes);
const void* map_table_bytes(MachineAddress start, u64 bytes);
template <typename T> T* map_device(MachineAddress start, u64 bytes = sizeof(T))
{
    return static_cast<T*>(map_device_bytes(start, bytes));
}

/// Maps one 4 KiB page of ours at a fixed place (processors' blocks). `flags`: of abi::pte, without present.
void map_page(u64 address, Mfn mfn, u64 flags);
/// Takes away what map_page() put below our own half (for tries at boot), with its tables.
void unmap_lower_half();

}
