// A domain's configuration as JSON, in the form that `xl list -l` and `xl create -n` print, kept in a file while the
// domain lives.
#pragma once

#include "hypervisor/base/types.hpp"
#include "tools/xl/config/domain_config.hpp"

#include <nlohmann/json.hpp>

namespace xylem::xl {

using Json = nlohmann::ordered_json;

Json to_json(const config::DomainConfig& config);

/// With four spaces an indent, and an empty line in an empty object, as xl prints JSON.
std::string pretty(const Json& json);

void save_record(DomId domain, const std::string& uuid, const Json& json);
std::optional<Json> load_record(DomId domain, const std::string& uuid);
void remove_record(DomId domain, const std::string& uuid);

}
