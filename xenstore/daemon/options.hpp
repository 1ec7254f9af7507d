// The daemon's command line. Options that Xen's xenstored has, too, have its names.
#pragma once

#include "xenstore/store/limits.hpp"

#include <optional>
#include <string>
#include <vector>

namespace xylem::xenstore {

struct Options {
    bool in_foreground = false;
    bool has_domains = true;
    bool writes_dom0_nodes = false;
    bool prints_pid = false;
    bool is_verbose = false;
    std::string pid_file;
    std::string log_file;
    Limits limits;
    std::vector<std::string> arguments; ///< as they were given, for a binary that takes our place
};

/// @return the options; or, where there is nothing more to do, the exit status, with help or the error printed
struct ParsedOptions {
    std::optional<Options> options;
    int exit_status = 0;
};
ParsedOptions parse_options(int argc, char** argv);

}
