// Network interfaces of dom0: what Debian's scripts vif-bridge and vif-route do, for interfaces that Linux's own
// backend made.
#pragma once

#include <string>

namespace xylem::xl {

/// Whether there is such an interface, and the kernel's backend made it: a tap has tun_flags.
bool is_linux_backend_interface(const std::string& name);

/// Renames the interface, joins it to the bridge (empty: to none), and brings it up.
/// @throws Failure
void set_up_interface(const std::string& name, const std::string& final_name, const std::string& bridge);

}
