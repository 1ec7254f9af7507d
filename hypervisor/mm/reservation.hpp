// A domain's allotment of frames: giving frames back, exchanging and handing over, for memory_op and grant transfer.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

/// Gives a frame back: drops its allocated reference. It is freed once nobody refers to it any more.
/// @return Invalid  not the owner's, or given back before
Result<void> give_back(Owner& owner, Mfn mfn);

/// Takes away from its owner a frame that nobody refers to but by its being allocated, with its type forgotten
/// (XSA-214). It is then nobody's, but its place in the owner's allotment stays taken: restore_frames() or
/// give_up_room() must follow.
/// @return Invalid  not the owner's, the hypervisor's, or still referred to
Result<void> steal(Owner& owner, Mfn mfn);
/// Takes places in the owner's allotment, for restore_frames() or give_up_room(). @return Invalid  dying; NoSpace
Result<void> reserve_room(Owner& owner, u64 frames);
/// Gives a frame, or run, that is nobody's to `owner`, as allocated, in a place that steal() or reserve_room() has
/// left.
/// @return Invalid  the owner is dying: the place is given up, the frames stay nobody's
Result<void> restore_frames(Owner& owner, Mfn first, unsigned order);
void give_up_room(Owner& owner, u64 frames);
/// Puts frames that are nobody's back into the heap.
void discard_frames(Mfn first, unsigned order);
/// A run that is nobody's: scrubbed, and in no processor's cached translations.
/// @return NoMemory; Preempted  call again: what has been scrubbed need not be scrubbed anew
Result<Mfn> allocate_unowned(unsigned order, unsigned max_address_bits);

}
