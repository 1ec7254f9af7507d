// The unusual L1 entries: I/O memory, other domains' frames, caching attributes.

#include "hypervisor/mm/data_entry.hpp"

namespace xylem::mm {
namespace {

/// I/O memory is never mapped cached: what asks for write-back gets uncacheable, write-through and write-protected lose
/// their caching; the uncached types stay as chosen. Indices of the PAT that PV guests see (0 WB 1 WT 2 UC- 3 UC 4 WC 5
/// WP).
u64 uncached(u64 entry)
{
    constexpr u64 wt = pte::write_through, wp = pte::pat | pte::write_through;
    const u64 caching = entry & pte::cache_bits;
    if (caching == 0)
        return entry | pte::write_through | pte::cache_disable;
    return caching == wt || caching == wp ? entry | pte::cache_disable : entry;
}

}

Result<void> take_io_entry(const Parties& parties, u64& entry)
{
    const Mfn mfn = target_of(entry);
    const Owner& named = &parties.data == &io_owner() ? parties.caller : parties.data;
    if (!named.io_memory.contains(mfn.value))
        return mfn.value == pte::frame_mask >> page_shift ? Error::Invalid : Error::NotPermitted;
    if (&named != &parties.tables && !parties.tables.io_memory.contains(mfn.value))
        return Error::NotPermitted;
    if (read_only_io_memory().contains(mfn.value))
        entry &= ~pte::writable;
    entry = uncached(entry);
    return {};
}

Result<void> check_unusual_mapping(const Parties& parties, u64 entry, Mfn mfn)
{
    Frame& f = frame(mfn);
    if (f.owner != parties.data.id && (&parties.data == &parties.tables || !parties.caller.privileged))
        return Error::Busy;
    if (entry & pte::cache_bits) {
        if (atomic_load(&f.count_info) & count_bits::hypervisor)
            return Error::Access;
        atomic_or(&f.count_info, count_bits::uncached);
    }
    // Its owner's processors are then not the only ones that may keep a writable translation.
    if ((entry & pte::writable) && f.owner != parties.tables.id)
        atomic_or(&f.count_info, count_bits::foreign);
    return {};
}

}
