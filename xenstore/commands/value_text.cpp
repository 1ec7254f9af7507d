// See value_text.hpp.
#include "xenstore/commands/value_text.hpp"

#include <charconv>
#include <fmt/format.h>

namespace xylem::xenstore {

std::string escaped(std::string_view value)
{
    std::string text;
    for (char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= ' ' && byte <= '~' && byte != '\\')
            text += c;
        else if (c == '\t')
            text += "\\t";
        else if (c == '\n')
            text += "\\n";
        else if (c == '\r')
            text += "\\r";
        else if (c == '\\')
            text += "\\\\";
        else
            text += byte < 8 ? fmt::format("\\{:03o}", byte) : fmt::format("\\x{:02x}", byte);
    }
    return text;
}

namespace {

/// Takes up to `most` digits of `base` off `rest`.
char take_code(std::string_view& rest, std::size_t most, int base)
{
    unsigned code = 0;
    const std::string_view digits = rest.substr(0, most);
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), code, base);
    rest.remove_prefix(static_cast<std::size_t>(parsed.ptr - digits.data()));
    return static_cast<char>(code);
}

char take_escape(std::string_view& rest)
{
    const char c = rest.front();
    if (c >= '0' && c <= '7')
        return take_code(rest, 3, 8);
    rest.remove_prefix(1);
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 'x':
        return take_code(rest, 2, 16);
    default:
        return c;
    }
}

}

std::string unescaped(std::string_view text)
{
    std::string value;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        value += c == '\\' && !text.empty() ? take_escape(text) : c;
    }
    return value;
}

}
