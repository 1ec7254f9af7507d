// xl devd: makes of a guest a driver domain, which serves other guests' devices.
#pragma once

#include <string>

namespace xylem::xl {

struct DevdOptions {
    bool in_foreground = false; ///< else it returns once a process of its own is ready
    std::string pid_file;       ///< empty for none
};

/// @throws Failure  it cannot be started here; in the foreground, errors of the store too
void run_devd(const DevdOptions& options);

}
