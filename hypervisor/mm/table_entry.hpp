// What an entry of levels 2 to 4 holds: a general and a type reference on the table of the next level, or, if the entry
// is linear, on a table of its own level.
#pragma once

#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

/// Takes what the present `entry` in `table` is to hold. @return the entry to store.
/// Invalid  a flag it may not have, another's frame, or not to be made a table of the next level
/// Preempted  the next level's validation is half done: call again
Result<u64> take_table_entry(Owner& owner, Mfn table, unsigned level, u64 entry);
/// Gives back what the entry held.
void put_table_entry(Mfn table, unsigned level, u64 entry);

}
