// What an L1 entry holds: a general reference on the frame it maps, and a writable type reference if it maps it
// writable. An entry that maps no RAM holds nothing, but needs permission.
#pragma once

#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/parties.hpp"
#include "hypervisor/mm/references.hpp"

namespace xylem::mm {

/// Makes the entry one for a frame that is no RAM: by permission, and never cached. @return NotPermitted, Invalid
Result<void> take_io_entry(const Parties& parties, u64& entry);
/// The slow cases of RAM: another's frame, or other caching than write-back. `page` is held.
/// @return Busy, Access
Result<void> check_unusual_mapping(const Parties& parties, u64 entry, Mfn mfn);

/// Takes what the present entry (as adjust_l1 made it) is to hold, and makes it the one to store.
/// @return Invalid  a flag it may not have; Busy  another's frame, or a page table to be mapped writable;
///         NotPermitted  no RAM, and no permission; Access  uncached mapping of a hypervisor page
inline Result<void> take_data_entry(const Parties& parties, u64& entry)
{
    if (entry & forbidden_flags(1, parties.tables.cache_control)) [[unlikely]]
        return Error::Invalid;
    const Mfn mfn = target_of(entry);
    if (!is_ram(mfn)) [[unlikely]]
        return take_io_entry(parties, entry);
    Frame& f = frame(mfn);
    if (!try_get(f)) [[unlikely]]
        return Error::Busy;
    PageRef page(mfn);
    if (f.owner != parties.tables.id || &parties.data != &parties.tables || (entry & pte::cache_bits)) [[unlikely]]
        TRY(check_unusual_mapping(parties, entry, mfn));
    if ((entry & pte::writable) && !get_type(mfn, PageType::writable).ok()) [[unlikely]]
        return Error::Busy;
    page.release();
    return {};
}

/// Gives back what the entry held.
inline void put_data_entry(u64 entry)
{
    const Mfn mfn = target_of(entry);
    if (!is_present(entry) || !is_ram(mfn)) [[unlikely]]
        return;
    if (entry & pte::writable)
        put_type(mfn);
    put_page(mfn);
}

}
