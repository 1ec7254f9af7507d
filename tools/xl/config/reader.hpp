// Typed access to settings, as xl reads them: a number is also a string, and a string that writes a number is one too.
//
// What xl passes over with a warning is a complaint here. A dry run prints complaints and goes on, as xl does; whoever
// makes a domain takes the first for an error, since a domain that silently lacks what was asked for is worse than
// none.
#pragma once

#include "tools/xl/config/syntax.hpp"

#include <limits>

namespace xylem::xl::config {

using Complaints = std::vector<std::string>;

class Reader {
public:
    /// `file` is what the settings are called as a whole.
    Reader(const Settings& settings, const std::string& file, Complaints& complaints)
        : settings_(settings), file_{file, 1, 1}, complaints_(complaints)
    {
    }

    const Setting* find(std::string_view name) const { return settings_.find(name); }
    std::optional<std::string> text(std::string_view name) const;
    std::optional<std::int64_t> number(std::string_view name) const;
    /// The number, if the setting is one; nothing else is wrong with it yet if it is not.
    std::optional<std::int64_t> number_or_text(std::string_view name) const;
    std::optional<bool> flag(std::string_view name) const;
    bool is_list(std::string_view name) const;
    /// @throws SyntaxError  it is no number from `least` to `most`
    std::optional<std::int64_t> bounded(std::string_view name, std::int64_t least, std::int64_t most) const;

    /// The strings of a list, up to the first that is a list itself.
    struct Item {
        Position where;
        std::string text;
    };
    std::vector<Item> items(std::string_view name) const;
    std::vector<std::string> texts(std::string_view name) const;

    /// Where the value stands, or the whole file if there is none.
    Position place(std::string_view name) const;
    void complain(const Position& where, const std::string& what) const;

    template <typename... Arguments>
    [[noreturn]] void refuse(std::string_view name, fmt::format_string<Arguments...> text,
                             Arguments&&... arguments) const
    {
        throw SyntaxError(place(name), fmt::format(text, std::forward<Arguments>(arguments)...));
    }

private:
    const Setting* find_atom(std::string_view name) const;

    const Settings& settings_;
    Position file_;
    Complaints& complaints_;
};

/// The number that C's strtol finds `text` to be as a whole.
std::optional<std::int64_t> number_like_strtol(const std::string& text);

/// Words between any of `separators`; none is empty.
std::vector<std::string> split(std::string_view text, std::string_view separators);
std::string trimmed(std::string_view text);

}
