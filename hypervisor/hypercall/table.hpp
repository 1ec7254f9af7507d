// The table of hypercalls, and the call by number.
#pragma once

#include "hypervisor/hypercall/hypercall.hpp"

namespace xylem::hypercall {

inline constexpr u64 table_size = 64;
extern const Entry table[table_size];

/// Calls number `number`; -ENOSYS, with a rate-limited line in the log, if there is none.
i64 call(Vcpu& self, u64 number, Arguments& args);
/// That line. (unknown.cpp)
void log_unknown_hypercall(const Vcpu& self, u64 number, const char* name);

}
