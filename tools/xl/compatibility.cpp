// The page about what of Xen's xl is here. (command_table.hpp)
#include "tools/xl/command_table.hpp"
#include "tools/xl/config/options.hpp"

#include <fmt/format.h>

namespace xylem::xl {

namespace {

constexpr std::string_view introduction = R"(# What of Xen's xl is here

This page is made from the tables in `tools/xl/command_table.cpp` and `tools/xl/config/options.cpp`; a unit test holds it to
them. Options and commands are those of xl 4.17.

## Commands

A command that is not served says so, with the reason of this table, and exits with 1. `xl audit`, `xl metrics` and `xl explain` are our own.

| command | state | note |
| --- | --- | --- |
)";

constexpr std::string_view about_options = R"(
## Options of a configuration

`xl create -n` prints for any configuration the JSON that Xen's xl prints (`tests/unit/xl/corpus` holds what Debian's made
of some hundreds, valid and not). A domain is made only if all that its configuration asks for can be had: an option that is
not served, is for HVM guests, or is unknown is refused by name, where Xen's xl passes over what it does not know.

What else is different from Xen's xl:

- the number behind `\` in a string is octal and `\x` has two hexadecimal digits, as C has it; Xen's xl reads both otherwise;
- a file with DOS line ends is read;
- a disk's flags `trusted` and `untrusted` are read; Debian's xl lacks them, its manual page notwithstanding;
- a disk's `max-iops` and `max-rate` and an interface's `mac-filter` and `backendtype` are our own (xl-disk-configuration(5),
  xl-network-configuration(5)), as are xl.conf's `vif.default.backendtype` and `disk.default.backendtype`.

| option | state | note |
| --- | --- | --- |
)";

std::string_view text_of(CommandState state)
{
    switch (state) {
    case CommandState::served:
        return "served";
    case CommandState::partly:
        return "partly";
    case CommandState::not_yet:
        return "not yet";
    case CommandState::refused:
        break;
    }
    return "refused";
}

std::string_view text_of(config::OptionState state)
{
    switch (state) {
    case config::OptionState::served:
        return "served";
    case config::OptionState::not_yet:
        return "not yet";
    case config::OptionState::for_hvm_only:
        return "not for PV guests";
    case config::OptionState::unknown:
        break;
    }
    return "unknown";
}

}

std::string compatibility_page()
{
    std::string page(introduction);
    for (const CommandEntry& entry : command_table())
        page += fmt::format("| {} | {} | {} |\n", entry.name, text_of(entry.state), entry.note);
    page += about_options;
    for (const config::OptionEntry& entry : config::all_options())
        page += fmt::format("| {} | {} | {} |\n", entry.name, text_of(entry.state), entry.note);
    return page;
}

}
