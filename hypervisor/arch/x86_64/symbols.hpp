// Names of the hypervisor's functions, for backtraces.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

struct Symbol {
    const char* name; ///< null: the address is in no function of ours
    u64 offset;
};
Symbol find_symbol(u64 address);

/// Logs the chain of callers from the frame pointer `rbp` on, as far as it stays on `rip`'s stack.
void log_backtrace(u64 rip, u64 rbp);

}
