// See fields.hpp.
#include "tools/xl/config/fields.hpp"

#include <cstdlib>

namespace xylem::xl::config {

static void set_field(Json& json, const Reader& reader, const Field& field)
{
    switch (field.kind) {
    case Field::Kind::text:
        return set(json, field.field, reader.text(field.setting));
    case Field::Kind::flag:
        return set_flag(json, field.field, reader.flag(field.setting));
    case Field::Kind::number:
        if (const auto value = static_cast<std::int32_t>(reader.number(field.setting).value_or(0)))
            json[field.field] = value;
        return;
    case Field::Kind::count:
        if (const auto value = static_cast<std::uint32_t>(reader.number(field.setting).value_or(0)))
            json[field.field] = value;
        return;
    case Field::Kind::mib:
        if (const auto value = reader.number(field.setting))
            json[field.field] = static_cast<std::uint64_t>(*value) << 10;
        return;
    case Field::Kind::texts:
        if (auto values = reader.texts(field.setting); !values.empty())
            json[field.field] = std::move(values);
        return;
    }
}

void set_fields(Json& json, const Reader& reader, std::span<const Field> fields)
{
    for (const Field& field : fields)
        set_field(json, reader, field);
}

std::optional<std::size_t> index_of(Names names, std::string_view name)
{
    const std::string wanted = lower(name);
    for (std::size_t i = 0; i < names.size(); ++i)
        if (lower(names[i]) == wanted)
            return i;
    return std::nullopt;
}

static void set_choice_by_name(Json& json, const char* field, const Reader& reader, const char* setting, Names names,
                               FirstName first)
{
    const auto text = reader.text(setting);
    if (!text)
        return;
    const auto index = index_of(names, *text);
    if (!index)
        reader.refuse(setting, "'{}' cannot be '{}'; expected one of {}", setting, *text, fmt::join(names, ", "));
    if (*index != 0 || first == FirstName::shown)
        json[field] = names[*index];
}

void set_choice(Json& json, const char* field, const Reader& reader, const char* setting, Names names)
{
    set_choice_by_name(json, field, reader, setting, names, FirstName::left_out);
}

void set_numbered_choice(Json& json, const char* field, const Reader& reader, const char* setting, Names names,
                         FirstName first)
{
    const auto number = reader.number_or_text(setting);
    if (!number)
        return set_choice_by_name(json, field, reader, setting, names, first);
    if (*number < 0 || static_cast<std::size_t>(*number) >= names.size())
        reader.refuse(setting, "'{}' cannot be {}; expected one of {}", setting, *number, fmt::join(names, ", "));
    if (*number != 0 || first == FirstName::shown)
        json[field] = names[static_cast<std::size_t>(*number)];
}

int leading_number(const std::string& text, int base)
{
    return static_cast<int>(std::strtol(text.c_str(), nullptr, base));
}

std::optional<std::pair<std::string, std::string>> key_and_value(const std::string& word)
{
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos)
        return std::nullopt;
    return std::pair(word.substr(0, equals), word.substr(equals + 1));
}

std::vector<std::string> words_of(const std::string& spec)
{
    std::vector<std::string> words = split(spec, ",");
    for (std::string& word : words)
        word.erase(0, std::min(word.find_first_not_of(' '), word.size()));
    return words;
}

bool is_uuid(std::string_view text)
{
    static constexpr std::string_view shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    return text.size() == shape.size() &&
           std::equal(text.begin(), text.end(), shape.begin(),
                      [](unsigned char c, char wanted) { return wanted == '-' ? c == '-' : std::isxdigit(c) != 0; });
}

}
