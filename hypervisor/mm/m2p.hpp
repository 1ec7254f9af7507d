// The M2P as tools of a privileged domain see it: frames of domid_xen that they map read-only.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::mm {

/// The M2P is made of chunks of this many bytes, each contiguous in machine memory, wherever there is RAM to number.
inline constexpr u64 m2p_chunk_bytes = u64{2} << 20;

/// The first frame of chunk `index` of the M2P, made mappable for privileged domains. @return invalid_mfn if it is a
/// hole
Mfn m2p_chunk(u64 index);

}
