// Gates of the interrupt descriptor table, and what LIDT and LGDT take.
#pragma once

#include "hypervisor/arch/x86_64/layout.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::arch {

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u64 base;
};

struct Gate {
    u16 offset_low;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};
static_assert(sizeof(Gate) == 16);

enum class RaisedBy : u8 { processor, guest_too };

/// An interrupt gate into our code segment. `ist`: the stack it switches to, 0 for the main one.
constexpr Gate interrupt_gate(u64 entry, unsigned ist, RaisedBy by)
{
    return {static_cast<u16>(entry),
            SELECTOR_CODE,
            static_cast<u8>(ist),
            static_cast<u8>(by == RaisedBy::guest_too ? 0xee : 0x8e),
            static_cast<u16>(entry >> 16),
            static_cast<u32>(entry >> 32),
            0};
}

}
