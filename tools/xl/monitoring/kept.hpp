// Accounts of domains that have ended, kept in a file a name until others take their place.
#pragma once

#include "tools/xl/config/json.hpp"
#include "tools/xl/monitoring/account.hpp"
#include "tools/xl/monitoring/sample.hpp"

namespace xylem::xl {

inline constexpr const char* kept_folder = "/var/log/xen/ends";

/// Adds to those kept of its name. One of the same domain that is kept already says more: of the new one only what
/// followed is added to it. Bounded: a few a name, and a number of names.
/// @throws Failure  it cannot be written
void keep(const std::string& folder, const Account& account);
/// The oldest first; empty if there are none.
std::vector<Account> kept_of(const std::string& folder, const std::string& name);

Json to_json(const Account& account);
Account account_from(const Json& json);

/// A sample as `xl top --json` prints it.
Json to_json(const Sample& now, const Sample* before);

}
