// How a description's fields are written: those that have no value are left out.
#pragma once

#include "tools/xl/config/json.hpp"
#include "tools/xl/config/reader.hpp"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <span>

namespace xylem::xl::config {

/// A setting that becomes a field as it stands.
struct Field {
    enum class Kind {
        text,
        flag,   ///< "True" or "False"
        number, ///< 32 bits with a sign; 0 is left out
        count,  ///< 32 bits without one; 0 is left out
        mib,    ///< in KiB, 64 bits
        texts,  ///< a list of strings; left out if it is empty
    };
    const char* setting;
    const char* field;
    Kind kind;
};

inline void set(Json& json, const char* field, const std::optional<std::string>& value)
{
    if (value)
        json[field] = *value;
}
inline void set_flag(Json& json, const char* field, const std::optional<bool>& value)
{
    if (value)
        json[field] = *value ? "True" : "False";
}

void set_fields(Json& json, const Reader& reader, std::span<const Field> fields);

inline std::string lower(std::string_view text)
{
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
    return out;
}

using Names = std::span<const std::string_view>;

/// The place of `name` among `names`, whatever its case; nothing if it is not there.
std::optional<std::size_t> index_of(Names names, std::string_view name);

/// Sets a field to one of `names`; the first is the default, which is left out.
/// @throws SyntaxError  it is none of them
void set_choice(Json& json, const char* field, const Reader& reader, const char* setting, Names names);

/// The same for a setting that may also be the number of a name.
enum class FirstName { left_out, shown };
void set_numbered_choice(Json& json, const char* field, const Reader& reader, const char* setting, Names names,
                         FirstName first = FirstName::left_out);

/// What C's atoi makes of it.
int leading_number(const std::string& text, int base = 10);

/// "KEY=VALUE" taken apart, if there is a '='.
std::optional<std::pair<std::string, std::string>> key_and_value(const std::string& word);

/// A specification's words between commas, without blanks before them.
std::vector<std::string> words_of(const std::string& spec);

bool is_uuid(std::string_view text);

}
