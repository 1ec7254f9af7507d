// What Linux's own backends leave to others, in a driver domain that uses them: a disk's device is to be named, an
// interface to join its bridge.
#pragma once

#include "backends/lib/store.hpp"
#include "tools/xl/devd/served_devices.hpp"

namespace xylem::xl {

/// Whether the kernel serves devices of this kind.
bool is_served_by_linux(const std::string& kind);

/// Does what is left for the device to do. An error goes into its folder, as a hotplug script's.
void set_up_for_linux(backends::Store& store, const ServedDevice& device);

}
