// An account of a domain as it is now. (account.hpp)
#pragma once

#include "tools/xl/domains.hpp"
#include "tools/xl/monitoring/account.hpp"

namespace xylem::xl {

Account tell_of(Session& session, const dom0::DomainInfo& info);

/// Keeps one for later, if the domain is still there; `followed` says what is about to be done with it. Throws nothing:
/// no end waits for its own account.
/// @return  why none could be kept; empty if one was
std::string keep_account(Session& session, DomId domain, const std::string& followed) noexcept;

/// Now, as "2026-11-27 03:10:11".
std::string time_text();

}
