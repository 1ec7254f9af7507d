// Network interfaces of dom0 or a driver domain: what Debian's scripts vif-bridge and vif-route do, for interfaces that
// Linux's own backend made.
#pragma once

#include "hypervisor/base/types.hpp"

#include <functional>
#include <string>

namespace xylem::xl {

/// Has the interface that Linux's own backend makes for a vif join its bridge, or routes to it, as the nodes of the
/// backend's folder say; waits a moment for it.
/// @return whether there is one: another backend may serve the vif
/// @throws Failure, std::runtime_error
bool set_up_linux_vif(DomId guest, u32 number, const std::function<std::string(const char* name)>& node);

}
