// A domain's configuration as JSON, in the form that `xl list -l` and `xl create -n` print, kept in a file while the
// domain lives.
#pragma once

#include "hypervisor/base/types.hpp"
#include "tools/xl/config/domain_config.hpp"

namespace xylem::xl {

/// The configuration's description, with what creation has filled in.
Json to_json(const config::DomainConfig& config);

void save_record(DomId domain, const std::string& uuid, const Json& json);
/// Null if there is none.
Json load_record(DomId domain, const std::string& uuid);

/// The text of the configuration that the domain's next start is to follow.
void save_source(DomId domain, const std::string& uuid, const std::string& text);
std::optional<std::string> load_source(DomId domain, const std::string& uuid);

/// Both go to a new UUID; the record is of `name` then.
void move_record(DomId domain, const std::string& old_uuid, const std::string& name, const std::string& uuid);

/// Both of them.
void remove_record(DomId domain, const std::string& uuid);

}
