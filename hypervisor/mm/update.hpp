// Changing page-table entries that the hardware may be using: take what the new entry needs, write it, give back the
// old.
#pragma once

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/owner.hpp"
#include "hypervisor/mm/parties.hpp"

namespace xylem::mm {

enum class AccessedDirty : u8 { replace, preserve };

/// What an update of an entry asks of its caller.
enum class FlushNeeded : u8 { none, all_of_owner };

/// Writes one entry of whatever `entry` lies in, as mmu_update does: a page table of any level, or a plain page. Sets
/// `flush` if it has changed what processors may have cached of the tables' structure.
/// @return Invalid, NotPermitted, Busy, Access  refused, with nothing changed
///         Preempted  call again with the same arguments, after finish_pending()
Result<void> update_entry(const Parties& parties, MachineAddress entry, u64 value, AccessedDirty accessed_dirty,
                          FlushNeeded& flush);

/// Writes entry `index` of the validated L1 table `table`. @return as update_entry(); Invalid if it is no L1
Result<void> update_l1_entry(const Parties& parties, Mfn table, unsigned index, u64 value,
                             AccessedDirty accessed_dirty);

/// Where the L1 entry for a guest address stands, by a walk from `root`. @return Invalid  there is no L1 table for it
Result<MachineAddress> find_l1_entry(MachineAddress root, VirtualAddress address);
/// The L1 entry itself; 0 if there is none.
u64 read_l1_entry(MachineAddress root, VirtualAddress address);

/// The L1 table that a guest's write to `address` would change, if the write is one to emulate: the address is mapped
/// read-only, to a validated L1 table of `owner`. @return Invalid  it is not
Result<Mfn> page_table_behind(Owner& owner, MachineAddress root, VirtualAddress address);
/// An emulated write: the 8-byte entry at `offset` of the L1 table `table` goes from `old` to `value`.
/// @return Again  the entry is no longer `old`: read it and try again; else as update_entry()
Result<void> emulate_pte_write(Owner& owner, Mfn table, unsigned offset, u64 old, u64 value);

// ---- For grants: entries that map another domain's frame by right of a grant

/// Writes into the L1 entry at `entry`, in a table of `tables`, a mapping of `mfn`, and gives back what stood there.
/// The caller leaves to the entry a general reference on `mfn`, and a writable type reference if `flags` has
/// pte::writable. The forced bits (user, kernel mark, global) are added as for any entry of the guest.
/// @return Invalid  misaligned, or not in an L1 table of `tables`: the references stay with the caller
Result<void> write_grant_entry(Owner& tables, MachineAddress entry, Mfn mfn, u64 flags);
/// Replaces the entry, if it still maps `mfn` with just this writability, by `replacement` (0, or an entry that stood
/// elsewhere and brings its references along). The references it held are the caller's again: put them after the flush.
/// @return Invalid  it does not map that, or misaligned, or not in an L1 table of `tables`
Result<void> clear_grant_entry(Owner& tables, MachineAddress entry, Mfn mfn, bool writable, u64 replacement = 0);
/// Takes the entry out of an L1 table as it is, with its references (GNTTABOP_unmap_and_replace). @return the entry
Result<u64> take_entry(Owner& tables, MachineAddress entry);

}
