// What a command lists, for programs: rows of named values, printed as JSON. xl(1) says which.
#pragma once

#include "hypervisor/base/types.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace xylem::xl {

struct Value;
using Row = std::vector<std::pair<std::string_view, Value>>;

/// monostate is null: there is no such thing.
struct Value : std::variant<std::monostate, bool, u64, double, std::string, std::vector<u64>, std::vector<Row>> {
    using variant::variant;
};

/// The number that `text` is; null if it is none.
Value number_or_null(const std::string& text);

std::string to_json(const std::vector<Row>& rows);
std::string to_json(const Row& row);

}
