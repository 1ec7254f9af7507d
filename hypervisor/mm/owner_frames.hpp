// The lists of an owner's frames, for the files of mm/ that move frames between them. All under Owner::lock.
#pragma once

#include "hypervisor/mm/owner.hpp"

namespace xylem::mm {

/// Takes a frame out of whichever of its owner's lists it is in.
void unlink_owned(Owner& owner, Mfn mfn);

}
