// The names of xl.cfg(5)'s options, and what becomes of each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace xylem::xl::config {

enum class OptionState {
    served,
    not_yet,      ///< for PV guests, but nothing here acts on it
    for_hvm_only, ///< says nothing about a PV guest
    unknown,
};

OptionState state_of(std::string_view option);

/// The served option whose name is nearest, or nothing if none is near.
std::string nearest_option(std::string_view name);

struct OptionEntry {
    std::string_view name;
    OptionState state;
    std::string_view note; ///< what of a served option is refused all the same
};
std::vector<OptionEntry> all_options();

}
