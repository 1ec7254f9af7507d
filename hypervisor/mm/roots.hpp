// Page-table roots of vCPUs, and the end of a domain's memory.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

/// The hypervisor's own root (the idle L4): slots 256 to 271 of each guest root come from it. Set by the architecture.
extern u64* template_root;

/// What stands in a hypervisor slot (256 to 271) of a root of `owner` when it has just been validated.
u64 hypervisor_slot(const Owner& owner, unsigned slot);

enum class RootUse : u8 { kernel, user };

/// Takes the references by which a vCPU holds `mfn` as its root, and fills or clears its M2P slot as the use demands.
/// @return Invalid  not the owner's, or no valid L4; NotPermitted, Busy by what a bad entry ran into
///         Preempted  call again, after finish_pending()
Result<void> take_root(Owner& owner, Mfn mfn, RootUse use = RootUse::kernel);
/// Gives them back. No processor may have it loaded any more.
void put_root(Mfn mfn);

/// Gives back all frames of a dying domain: drops pins and the allocated references. Its roots, descriptor tables and
/// writable pages have been put before. Frames that others still map stay until those let go: see drained().
/// @return Preempted  call again
Result<void> relinquish(Owner& owner);

/// A frame of zeroes that is never written: for descriptor windows.
Mfn zero_frame();

}
