// What xl finds around it: its own configuration, the machine, and how much it is to say.
#pragma once

#include "tools/xl/config/xl_conf.hpp"

namespace xylem::xl {

/// /etc/xen/xl.conf, read at the first call; all defaults if there is none.
const config::XlConf& xl_conf();

/// The processors and nodes that lists of them mean.
config::Machine this_machine();

/// Set by -v: each step is said on the error stream.
extern bool verbose;

template <typename... Arguments> void explain(fmt::format_string<Arguments...> text, Arguments&&... arguments)
{
    if (verbose)
        fmt::print(stderr, "xl: {}\n", fmt::format(text, std::forward<Arguments>(arguments)...));
}

/// The content of a configuration.
/// @throws Failure  it cannot be read
std::string read_file(const std::string& path);

}
