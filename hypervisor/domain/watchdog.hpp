// SCHEDOP_watchdog: two timers a domain; one that runs out ends the domain with reason `watchdog`.
#pragma once

#include "hypervisor/domain/domain.hpp"

namespace xylem {

/// Id 0 starts a new one and returns its id (1 or 2); otherwise restarts it, or stops it if `seconds` is 0 (returns 0).
/// @return NoSpace  both are in use; Invalid  no such id, or it does not run
Result<i64> set_watchdog(Domain& domain, u32 id, u32 seconds);
void cancel_watchdogs(Domain& domain);

}
