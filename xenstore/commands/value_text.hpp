// Values as text on a terminal line, and back: printable characters stand for themselves, others as \t, \n, \r, \\,
// \ooo (octal, below 8) or \xhh. The notation is that of Debian's xenstore commands.
#pragma once

#include <string>
#include <string_view>

namespace xylem::xenstore {

std::string escaped(std::string_view value);
std::string unescaped(std::string_view text);

}
