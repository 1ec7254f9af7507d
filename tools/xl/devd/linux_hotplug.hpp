// What Linux's own backends leave to others, in a driver domain that uses them: a disk's device is to be named, an
// interface to join its bridge.
#pragma once

#include "backends/lib/store.hpp"
#include "tools/xl/devd/served_devices.hpp"

namespace xylem::xl {

/// Has Linux's backend take up the device, and does what is left to do for it. An error goes into its folder, as a
/// hotplug script's.
void set_up_for_linux(backends::Store& store, const ServedDevice& device);

}
