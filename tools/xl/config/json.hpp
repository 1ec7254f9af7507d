// JSON whose keys keep the order in which they were set, as xl prints it. Who looks inside includes
// <nlohmann/json.hpp>.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace xylem::xl {

using Json = nlohmann::ordered_json;

/// With four spaces an indent, and an empty line in an empty object, as xl prints JSON.
std::string pretty(const Json& json);

}
