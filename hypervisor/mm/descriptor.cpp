// Descriptors of a guest: anything that is not present, any code or data segment at ring 3, and call gates that fault.

#include "hypervisor/mm/descriptor.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"

namespace xylem::mm {
namespace {

constexpr u32 present = 1U << 15, segment = 1U << 12, dpl_mask = 3U << 13, type_mask = 15U << 8, call_gate = 12U << 8;
constexpr u32 ldt_selector = 4;

bool gate_selector_ok(u32 selector)
{
    return selector >> 3 < abi::first_reserved_gdt_entry || (selector & ldt_selector) ||
           selector == abi::flat_ring3_cs64;
}

}

bool check_descriptor(u64& descriptor)
{
    u32 low = static_cast<u32>(descriptor), high = static_cast<u32>(descriptor >> 32);
    if (!(high & present))
        return true;
    // Guests have no ring but the third: whatever privilege is asked for becomes that one.
    constexpr u32 dpl = 3;
    high |= dpl_mask;
    if (high & segment) {
        descriptor = u64{high} << 32 | low;
        return true;
    }
    if ((high & type_mask) == 0)
        return true; // the second half of a call gate
    if ((high & type_mask) != call_gate || !gate_selector_ok(low >> 16) || (high & 0xff))
        return false;
    const u32 selector = (low >> 16 & ~3U) | dpl;
    descriptor = u64{high & ~dpl_mask} << 32 | u64{selector} << 16 | (low & 0xffff);
    return true;
}

}
