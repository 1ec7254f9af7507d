// What a segment descriptor of a guest may say. (xen/arch/x86/pv/descriptor-tables.c)
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::mm {

/// Checks a descriptor and makes it harmless: code and data get DPL 3; a call gate gets DPL 0, so that its use faults,
/// with the guest's DPL kept in its selector. `descriptor` changes only if it is accepted.
/// @return whether the guest may have it
bool check_descriptor(u64& descriptor);

}
