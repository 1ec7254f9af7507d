// See keys.hpp. Escape sequences are those of ECMA-48, which all terminals of today speak.
#include "tools/xl/monitoring/keys.hpp"

#include "tools/xl/text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace xylem::xl {

namespace {

constexpr std::size_t longest_delay = 5; // characters
constexpr unsigned most_delay_seconds = 86400;

/// ESC [ or ESC O, parameters, and a final byte.
std::optional<Key> take_sequence(std::string& bytes, bool complete)
{
    const auto end = std::find_if(bytes.begin() + 2, bytes.end(), [](char c) { return c >= '@' && c <= '~'; });
    if (end == bytes.end() && !complete)
        return std::nullopt;
    const char last = end == bytes.end() ? '\0' : *end;
    bytes.erase(bytes.begin(), end == bytes.end() ? end : end + 1);
    return Key{last == 'A' ? Key::Kind::up : last == 'B' ? Key::Kind::down : Key::Kind::other};
}

Key plain_key(char byte)
{
    switch (byte) {
    case '\r':
    case '\n':
        return {Key::Kind::enter};
    case '\b':
    case '\x7f':
        return {Key::Kind::backspace};
    default:
        return {std::isprint(static_cast<unsigned char>(byte)) ? Key::Kind::character : Key::Kind::other, byte};
    }
}

Wish type(Key key, View& view)
{
    std::string& typed = *view.delay_typed;
    switch (key.kind) {
    case Key::Kind::character:
        if (typed.size() < longest_delay)
            typed += key.character;
        break;
    case Key::Kind::backspace:
        if (!typed.empty())
            typed.pop_back();
        break;
    case Key::Kind::enter: {
        unsigned seconds = 0;
        const auto [end, error] = std::from_chars(typed.data(), typed.data() + typed.size(), seconds);
        if (error == std::errc() && seconds > 0 && end == typed.data() + typed.size())
            view.delay_seconds = std::min(seconds, most_delay_seconds);
        view.delay_typed.reset();
        break;
    }
    case Key::Kind::escape:
        view.delay_typed.reset();
        break;
    case Key::Kind::up:
    case Key::Kind::down:
    case Key::Kind::other:
        break;
    }
    return Wish::redraw;
}

Wish choose(char letter, View& view)
{
    switch (std::tolower(static_cast<unsigned char>(letter))) {
    case 'q':
        return Wish::quit;
    case 'n':
        view.interfaces = !view.interfaces;
        break;
    case 'b': // xentop's
    case 'x': // as the option
        view.disks = !view.disks;
        break;
    case 'v':
        view.vcpus = !view.vcpus;
        break;
    case 'r':
        view.repeat_header = !view.repeat_header;
        break;
    case 's':
        view.sort_column = (view.sort_column + 1) % column_count();
        break;
    case 'd':
        view.delay_typed = "";
        break;
    default:
        break;
    }
    return Wish::redraw;
}

std::string_view escape_of(Style style)
{
    switch (style) {
    case Style::plain:
        return "\033[m";
    case Style::header:
        return "\033[0;7m";
    case Style::sorted_header:
        return "\033[0;7;1m";
    case Style::sorted:
        return "\033[0;1m";
    }
    return {};
}

std::string drawn(const Line& line, unsigned columns)
{
    std::string text;
    std::size_t room = columns;
    for (const Span& span : line) {
        const std::string part = printable(std::string_view(span.text).substr(0, room));
        text += escape_of(span.style);
        text += part;
        room -= part.size();
    }
    return text + "\033[m\033[K"; // to the end of the line: what stood there before goes
}

}

std::optional<Key> take_key(std::string& bytes, bool complete)
{
    if (bytes.empty())
        return std::nullopt;
    const bool is_escape = bytes[0] == '\033';
    if (is_escape && bytes.size() == 1 && !complete)
        return std::nullopt;
    if (is_escape && bytes.size() > 1 && (bytes[1] == '[' || bytes[1] == 'O'))
        return take_sequence(bytes, complete);
    const char first = bytes[0];
    bytes.erase(0, 1);
    return is_escape ? Key{Key::Kind::escape} : plain_key(first);
}

Wish apply(Key key, View& view, std::size_t domains)
{
    if (view.delay_typed)
        return type(key, view);
    switch (key.kind) {
    case Key::Kind::escape:
        return Wish::quit;
    case Key::Kind::character:
        return choose(key.character, view);
    case Key::Kind::down:
        view.first_domain = std::min(view.first_domain + 1, domains == 0 ? 0 : domains - 1);
        break;
    case Key::Kind::up:
        view.first_domain -= view.first_domain > 0 ? 1 : 0;
        break;
    case Key::Kind::enter:
    case Key::Kind::backspace:
    case Key::Kind::other:
        break;
    }
    return Wish::redraw;
}

Line key_line(const View& view)
{
    if (view.delay_typed)
        return {{"  Delay(sec): " + *view.delay_typed}};
    Line line{{"  "}};
    const auto add = [&](const char* before, const char* key, const char* after, bool on) {
        const Style style = on ? Style::sorted : Style::plain;
        line.push_back({before, style});
        line.push_back({key, Style::header});
        line.push_back({after, style});
        line.push_back({"  "});
    };
    add("", "D", "elay", false);
    add("", "N", "etworks", view.interfaces);
    add("v", "B", "ds", view.disks);
    add("", "V", "CPUs", view.vcpus);
    add("", "R", "epeat header", view.repeat_header);
    add("", "S", "ort order", false);
    add("", "Q", "uit", false);
    return line;
}

std::string frame_of(const std::vector<Line>& lines, const Line& last, unsigned rows, unsigned columns)
{
    std::string frame = "\033[H";
    for (std::size_t row = 0; row + 1 < rows; ++row)
        frame += (row < lines.size() ? drawn(lines[row], columns) : "\033[m\033[K") + "\r\n";
    return frame + drawn(last, columns > 0 ? columns - 1 : 0); // the last corner may scroll the screen
}

}
