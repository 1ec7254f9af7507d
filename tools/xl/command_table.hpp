// Every command of xl(1) 4.17, and what becomes of it here. The commands that are not served are made from this table;
// docs/compatibility.md is too, and a unit test holds it to that.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace xylem::xl {

enum class CommandState {
    served,
    partly,  ///< what is missing is in the note
    not_yet, ///< wanted, and refused until it is there
    refused, ///< for what there is not here: HVM guests, hardware, other tools
};

struct CommandEntry {
    std::string_view name;
    CommandState state;
    std::string_view note;             ///< why it is refused, as one sentence without its full stop; or what is missing
    std::string_view description = {}; ///< of a command that is not served
};

std::span<const CommandEntry> command_table();

/// docs/compatibility.md, from this table and that of the options.
std::string compatibility_page();

}
