// A domain's allotment of frames: giving frames back, exchanging and handing over, for memory_op and grant transfer.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

/// Gives a frame back: drops its allocated reference. It is freed once nobody refers to it any more.
/// @return Invalid  not the owner's, or given back before
Result<void> give_back(Owner& owner, Mfn mfn);

/// Takes away from its owner a frame that nobody refers to but by its being allocated, with its type forgotten (XSA-214).
/// It is then nobody's: assign_frame() or discard_frame() must follow.
/// @return Invalid  not the owner's, the hypervisor's, or still referred to
Result<void> steal(Owner& owner, Mfn mfn);

/// Gives a frame, or run, that is nobody's (from steal() or allocate_unowned()) to `owner`, as allocated.
/// @return NoSpace  the owner would hold more than its maximum; Invalid  it is dying. The frames stay nobody's
Result<void> assign_frames(Owner& owner, Mfn first, unsigned order);
/// Puts frames that are nobody's back into the heap.
void discard_frames(Mfn first, unsigned order);
/// A run that is nobody's: scrubbed, and in no processor's cached translations. @return NoMemory
Result<Mfn> allocate_unowned(unsigned order, unsigned max_address_bits);

}
