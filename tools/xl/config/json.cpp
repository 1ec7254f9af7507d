// See json.hpp.
#include "tools/xl/config/json.hpp"

#include <nlohmann/json.hpp>

namespace xylem::xl {

static void append(std::string& out, const Json& json, std::size_t depth)
{
    if (!json.is_structured()) {
        out += json.dump(-1, ' ', false, Json::error_handler_t::replace); // a path may be in any encoding
        return;
    }
    const bool object = json.is_object();
    const std::string indent(depth * 4, ' ');
    out += object ? "{\n" : "[\n";
    bool first = true;
    for (const auto& [key, value] : json.items()) {
        out += (first ? "" : ",\n") + indent + "    ";
        if (object)
            out += Json(key).dump() + ": ";
        append(out, value, depth + 1);
        first = false;
    }
    out += "\n" + indent + (object ? "}" : "]");
}

std::string pretty(const Json& json)
{
    std::string out;
    append(out, json, 0);
    return out + "\n";
}

}
