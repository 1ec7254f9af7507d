// A domain's memory and registers, written to a file for whoever wants to know why it died.
#pragma once

#include "tools/xl/session.hpp"

namespace xylem::xl {

/// Where on_crash=coredump-... leaves the core of a domain of that name.
std::string crash_core_path(const std::string& name);

/// Writes the core of `domain` to `path`, with the domain paused meanwhile.
/// @throws Failure and the hypervisor's errors; then there is no new file, and the domain goes on as it was
void dump_core(Session& session, DomId domain, const std::string& path);

}
