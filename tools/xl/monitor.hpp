// The process that stays with a domain: it waits for the domain's end and does what its configuration wants then.
#pragma once

#include "dom0/lib/fd.hpp"
#include "hypervisor/base/types.hpp"
#include "tools/xl/config/domain_config.hpp"

namespace xylem::xl {

struct Session;

/// The log of the monitors of a domain of that name: /var/log/xen/xl-NAME.log.
/// @throws Failure  it cannot be opened
dom0::Fd open_monitor_log(const std::string& name);
/// Removes it if no monitor has written to it: the domain was not made.
void drop_empty_log(const std::string& name);

/// Watches over `domain` until nothing is left to do for it. Waits in `session`.
void monitor(Session& session, DomId domain, const config::DomainConfig& config);

/// The same in a process of its own, which lives on in the background and writes to `log`.
/// @throws Failure  there can be no such process
void start_monitor(DomId domain, const config::DomainConfig& config, dom0::Fd log);
/// The same for a process that has nothing else to do: it ends with success, and its memory and `session` go on as the
/// new one's. @throws Failure  there can be no such process
[[noreturn]] void leave_to_monitor(Session& session, DomId domain, const config::DomainConfig& config, dom0::Fd log);

}
