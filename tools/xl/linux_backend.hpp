// Linux's own backends beside ours, for the devices whose configuration asks for them: backendtype=phy of a disk,
// backendtype=linux of an interface.
//
// A driver on Linux's bus of backends takes up each device of its type that it finds, as our backends do. So that both
// can serve one domain's devices, the bus is told to leave them alone (drivers_autoprobe) before such a driver is
// loaded, and what is to be Linux's is bound to it one by one; our backends pass over a device whose folder is marked
// (backends/lib/xenbus.hpp). A domain in which such a driver was loaded before, by its administrator, has Linux's
// backends for all of that driver's type.
#pragma once

#include "hypervisor/base/types.hpp"

#include <string>

namespace xylem::xl {

/// Whether Linux's backend for this kind ("vbd", "vif") is there.
bool linux_driver_is_loaded(const std::string& kind);
/// Whether Linux's backend takes up all devices of this kind, marked or not.
bool linux_takes_all(const std::string& kind);

/// Has Linux's backend take up a device of this domain, whose folder is in the store; loads the driver if need be. May
/// be called again.
/// @throws Failure  there is no such driver, or it does not take the device
void bind_to_linux(const std::string& kind, DomId guest, u32 number);

}
