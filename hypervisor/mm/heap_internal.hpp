// What the parts of the heap share: the lock, and allocation with the lock held.
#pragma once

#include "hypervisor/base/lock.hpp"
#include "hypervisor/mm/heap.hpp"

namespace xylem::mm {

extern SpinLock heap_lock;

/// Takes a run out of the free lists: not scrubbed, not flushed. @return invalid_mfn if there is none
Mfn take_run(unsigned order, unsigned max_address_bits);
/// Puts a run whose frames nobody refers to back.
void return_run(Mfn first, unsigned order);
/// Free frames that are not promised to `owner`'s competitors. `owner` may be null.
u64 available_frames(const Owner* owner);
/// Drops the cached translations that may lead to a run just taken. No lock may be held.
void flush_run(Mfn first, unsigned order);
/// Clears a run just taken, after its flush. @return false  interrupted: what has been cleared stays marked as clean,
/// also in the free lists, so that who takes it next need not do it again. The mark stays until the frames are given to
/// somebody who may write to them, which takes it away
bool scrub_run(Mfn first, unsigned order, Interruptible interruptible = Interruptible::no);
/// Counts `frames` just allocated against the owner's claim.
void use_claim(Owner& owner, u64 frames);

}
