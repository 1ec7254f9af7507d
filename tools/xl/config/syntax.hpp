// The syntax of xl.cfg(5): settings of strings, numbers and lists, told apart from what they mean (domain_config.hpp).
//
//   file    = { [ setting ] ( newline | ";" ) }
//   setting = name ( "=" | "+=" ) value
//   value   = string | number | "[" [ value { "," value } [ "," ] ] "]"
//
// Names are [a-z][a-z0-9_.]*. Strings stand in single or double quotes, end on their line, and know C's backslash
// escapes. Numbers are decimal, octal (0...) or hexadecimal (0x...). Within a list lines may break anywhere. "#" starts
// a comment.
#pragma once

#include "tools/xl/failure.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xylem::xl::config {

struct Position {
    std::string file;
    unsigned line = 1;
    unsigned column = 1;
};

/// A mistake in a configuration: "FILE:LINE:COLUMN: what is wrong and what was expected".
class SyntaxError : public Failure {
public:
    SyntaxError(const Position& where, const std::string& what)
        : Failure(fmt::format("{}:{}:{}: {}", where.file, where.line, where.column, what))
    {
    }
};

struct Value {
    enum class Kind { string, number, list };
    Kind kind = Kind::string;
    Position where;
    std::string text;        ///< of a string, or a number as written
    std::vector<Value> list; ///< of a list
};

struct Setting {
    std::string name;
    Position where;
    Value value;
    bool appended = false; ///< by "+="
};

/// Settings in the order of their first mention. A later one of the same name replaces the earlier; "+=" adds to it: a
/// list to a list, a string to a string.
class Settings {
public:
    const Setting* find(std::string_view name) const;
    const std::vector<Setting>& all() const { return settings_; }
    void assign(Setting setting);
    void append(Setting setting);

private:
    Setting* find(std::string_view name);
    std::vector<Setting> settings_;
};

/// Adds the settings of `text` to `settings`. `name` is what errors call it.
/// @throws SyntaxError
void parse(std::string_view text, const std::string& name, Settings& settings);

}
