// The main() of a small backend: options, the loop, the store, and a device of the given kind for each that the store
// has.
#pragma once

#include "backends/lib/confine.hpp"
#include "backends/lib/ring_device.hpp"

namespace xylem::backends {

struct BackendKind {
    const char* type;  ///< the folder's name in the store
    const char* about; ///< one sentence for --help
    std::function<std::unique_ptr<Device>(DeviceSeams seams, DevicePlace place, DeviceEvents events)> make_device;
    Needs needs = {}; ///< beside the loop, the store, grants and events
};

/// @return the exit status: 1 with one sentence on stderr when it cannot be started
int backend_main(int argc, char** argv, const BackendKind& kind);

}
