// The x86 branch filter of xz: relative targets of CALL and JMP were made absolute before packing; this undoes it.
#pragma once

#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::boot {

/// Undoes the filter in place, over one whole block. `start_offset` is the filter's property, mostly 0.
void undo_x86_branch_filter(std::span<u8> bytes, u32 start_offset);

}
