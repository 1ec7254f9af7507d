// What the boot loader tells: memory, modules, the ACPI root, our command line. One interface, whoever loaded us.
//
// Everything is copied: the loader's own tables may be overwritten once the memory they lie in is given to the heap.
// The parsers read a byte view of low memory, so that tests can hand them any.
#pragma once

#include "hypervisor/abi/memory.hpp"
#include "hypervisor/base/types.hpp"

#include <optional>
#include <span>

namespace xylem::arch {

inline constexpr u32 multiboot1_magic = 0x2badb002;
inline constexpr u32 multiboot2_magic = 0x36d76289;

struct BootModule {
    MachineAddress start;
    u64 bytes;
    char arguments[1536];
};

struct BootInfo {
    abi::E820Entry memory[128];
    unsigned memory_count;
    BootModule modules[4];
    unsigned module_count;
    char command_line[1536];
    char loader[64];
    u8 rsdp[36]; ///< a copy of the ACPI root pointer, when the loader gives one
    unsigned rsdp_bytes;

    std::span<const abi::E820Entry> memory_map() const { return {memory, memory_count}; }
};

/// Reads the information structure at `address`. `memory` is where machine address 0 can be read, `limit` how many
/// bytes.
/// @return false if `magic` is no loader's that we know, or its tables are not within `limit`.
bool parse_boot_information(u32 magic, u32 address, const u8* memory, u64 limit, BootInfo& into);

/// Finds the ACPI root pointer in the BIOS's areas, when the loader gave none.
bool find_rsdp(const u8* memory, BootInfo& into);

const BootInfo& boot_info();
/// Reads it once, at boot.
void read_boot_information(u32 magic, u32 address);

}
