// What a page-table entry may say, and the bits that are forced into it, by level. (xen/arch/x86/include/asm/pv/mm.h,
// x86_64/page.h; the guest sees them when it reads its tables.)
#pragma once

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::mm {

namespace pte = abi::pte;

constexpr bool is_present(u64 entry)
{
    return entry & pte::present;
}
constexpr Mfn target_of(u64 entry)
{
    return Mfn((entry & pte::frame_mask) >> page_shift);
}

/// Flags that an entry of `level` must not have. An L1 entry may choose cacheability if its table's owner may.
constexpr u64 forbidden_flags(unsigned level, bool cache_control)
{
    if (level == 1)
        return cache_control ? 0 : pte::cache_bits;
    return pte::page_size | pte::write_through | pte::cache_disable | pte::global;
}

/// Bits that may change in a present entry with nothing to validate. Never RW (XSA-182), never PSE (XSA-148).
inline constexpr u64 freely_changeable =
    pte::no_execute | pte::available_high | pte::available | pte::global | pte::dirty | pte::accessed | pte::user;

/// A present L1 entry as it is stored: always a user page for the hardware. What the guest's kernel keeps to itself is
/// marked by bit 52; the rest is global, so that it would outlive the switch between its two roots.
constexpr u64 adjust_l1(u64 entry)
{
    if (!(entry & pte::user))
        entry |= pte::guest_kernel | pte::user;
    if (!(entry & pte::guest_kernel))
        entry |= pte::global;
    return entry;
}

/// A present entry of levels 2 to 4 as it is stored.
constexpr u64 adjust_table_entry(u64 entry, unsigned level)
{
    return entry | pte::user | (level == 4 ? pte::accessed : 0);
}

/// Whether an L4 slot is the hypervisor's.
constexpr bool is_hypervisor_slot(unsigned level, unsigned index)
{
    return level == 4 && index >= abi::hypervisor_first_slot && index <= abi::hypervisor_last_slot;
}

}
