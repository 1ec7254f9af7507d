// See reader.hpp.
#include "tools/xl/config/reader.hpp"

#include <cerrno>
#include <cstdlib>

namespace xylem::xl::config {

std::optional<std::int64_t> number_like_strtol(const std::string& text)
{
    char* end = nullptr;
    errno = 0;
    const long long value = std::strtoll(text.c_str(), &end, 0);
    if (end == text.c_str() || *end != '\0' || errno != 0)
        return std::nullopt;
    return value;
}

std::vector<std::string> split(std::string_view text, std::string_view separators)
{
    std::vector<std::string> words;
    while (true) {
        const std::size_t start = text.find_first_not_of(separators);
        if (start == std::string_view::npos)
            return words;
        text.remove_prefix(start);
        const std::size_t size = std::min(text.find_first_of(separators), text.size());
        words.emplace_back(text.substr(0, size));
        text.remove_prefix(size);
    }
}

std::string trimmed(std::string_view text)
{
    constexpr std::string_view blanks = " \t\n\r\f\v";
    const std::size_t start = text.find_first_not_of(blanks);
    if (start == std::string_view::npos)
        return {};
    return std::string(text.substr(start, text.find_last_not_of(blanks) - start + 1));
}

Position Reader::place(std::string_view name) const
{
    const Setting* setting = find(name);
    return setting ? setting->value.where : file_;
}

void Reader::complain(const Position& where, const std::string& what) const
{
    complaints_.emplace_back(SyntaxError(where, what).what());
}

const Setting* Reader::find_atom(std::string_view name) const
{
    const Setting* setting = find(name);
    if (setting && setting->value.kind == Value::Kind::list) {
        complain(setting->value.where, fmt::format("'{}' wants a single value, not a list", name));
        return nullptr;
    }
    return setting;
}

std::optional<std::string> Reader::text(std::string_view name) const
{
    const Setting* setting = find_atom(name);
    return setting ? std::optional(setting->value.text) : std::nullopt;
}

std::optional<std::int64_t> Reader::number_or_text(std::string_view name) const
{
    const Setting* setting = find(name);
    if (!setting || setting->value.kind == Value::Kind::list || setting->appended)
        return std::nullopt;
    return number_like_strtol(setting->value.text);
}

std::optional<std::int64_t> Reader::number(std::string_view name) const
{
    const Setting* setting = find_atom(name);
    if (!setting)
        return std::nullopt;
    const auto value = number_or_text(name);
    if (!value)
        complain(setting->value.where, setting->appended
                                           ? fmt::format("'{}' wants a number, to which += cannot add", name)
                                           : fmt::format("'{}' wants a number, not '{}'", name, setting->value.text));
    return value;
}

std::optional<bool> Reader::flag(std::string_view name) const
{
    const auto value = number(name);
    return value ? std::optional(*value != 0) : std::nullopt;
}

bool Reader::is_list(std::string_view name) const
{
    const Setting* setting = find(name);
    return setting && setting->value.kind == Value::Kind::list;
}

std::optional<std::int64_t> Reader::bounded(std::string_view name, std::int64_t least, std::int64_t most) const
{
    if (!find(name))
        return std::nullopt;
    const auto value = number_or_text(name);
    if (!value || *value < least || *value > most)
        refuse(name, "'{}' wants a number from {} to {}", name, least, most);
    return value;
}

std::vector<Reader::Item> Reader::items(std::string_view name) const
{
    const Setting* setting = find(name);
    if (!setting)
        return {};
    if (setting->value.kind != Value::Kind::list) {
        complain(setting->value.where, fmt::format("'{}' wants a list in [ ]", name));
        return {};
    }
    std::vector<Item> items;
    for (const Value& value : setting->value.list) {
        if (value.kind == Value::Kind::list) {
            complain(value.where,
                     fmt::format("'{}' wants a list of strings; this list and what follows is lost", name));
            break;
        }
        items.push_back({value.where, value.text});
    }
    return items;
}

std::vector<std::string> Reader::texts(std::string_view name) const
{
    std::vector<std::string> texts;
    for (const Item& item : items(name))
        texts.push_back(item.text);
    return texts;
}

}
