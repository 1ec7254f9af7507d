// See open_metrics.hpp.
#include "tools/xl/monitoring/open_metrics.hpp"

#include <fmt/format.h>

namespace xylem::xl {

/// Backslash, quotation mark and line feed; and nothing that is no UTF-8, for the whole text must be.
static std::string escaped(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (c == '\\' || c == '"')
            out += {'\\', c};
        else if (c == '\n')
            out += "\\n";
        else
            out += static_cast<unsigned char>(c) < 0x80 ? c : '?';
    }
    return out;
}

std::string seconds_text(u64 nanoseconds)
{
    constexpr u64 second = 1'000'000'000;
    std::string text = fmt::format("{}.{:09}", nanoseconds / second, nanoseconds % second);
    while (text.ends_with("0") && !text.ends_with(".0"))
        text.pop_back();
    return text;
}

void OpenMetrics::family(std::string_view name, std::string_view type, std::string_view unit, std::string_view help)
{
    family_ = name;
    text_ += fmt::format("# TYPE {} {}\n", name, type);
    if (!unit.empty())
        text_ += fmt::format("# UNIT {} {}\n", name, unit);
    text_ += fmt::format("# HELP {} {}\n", name, escaped(help));
}

void OpenMetrics::add(const Labels& labels, u64 value, std::string_view suffix)
{
    add_text(labels, std::to_string(value), suffix);
}

void OpenMetrics::add_seconds(const Labels& labels, u64 nanoseconds, std::string_view suffix)
{
    add_text(labels, seconds_text(nanoseconds), suffix);
}

void OpenMetrics::add_text(const Labels& labels, std::string_view value, std::string_view suffix)
{
    text_ += family_;
    text_ += suffix;
    char separator = '{';
    for (const auto& [name, content] : labels) {
        text_ += fmt::format("{}{}=\"{}\"", separator, name, escaped(content));
        separator = ',';
    }
    text_ += fmt::format("{} {}\n", labels.empty() ? "" : "}", value);
}

std::string OpenMetrics::finish() &&
{
    return std::move(text_) + "# EOF\n";
}

}
