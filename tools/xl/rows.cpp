// See rows.hpp.
#include "tools/xl/rows.hpp"

#include "tools/xl/config/json.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace xylem::xl {

namespace {

Json json_of(const Row& row);

Json json_of(const std::vector<Row>& rows)
{
    Json all = Json::array();
    for (const Row& row : rows)
        all.push_back(json_of(row));
    return all;
}

struct ToJson {
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(const std::vector<Row>& rows) const { return json_of(rows); }
    template <typename T> Json operator()(const T& value) const { return value; }
};

Json json_of(const Row& row)
{
    Json object = Json::object();
    for (const auto& [name, value] : row)
        object[std::string(name)] = std::visit(ToJson{}, value);
    return object;
}

}

Value number_or_null(const std::string& text)
{
    u64 number = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc() || stop != end)
        return std::monostate();
    return number;
}

std::string to_json(const std::vector<Row>& rows)
{
    return pretty(json_of(rows));
}

std::string to_json(const Row& row)
{
    return pretty(json_of(row));
}

}
