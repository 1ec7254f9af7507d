// A guest's address, as its kernel's command line tells it.
#pragma once

#include "hypervisor/base/types.hpp"

#include <optional>

namespace xylem::lwip {

/// IPv4 addresses, the first byte lowest, as they stand in memory and as lwIP has them.
struct Settings {
    bool dhcp = true;
    u32 address = 0, netmask = 0, gateway = 0; ///< without DHCP; gateway 0: none
};

/// What follows "ip=": "dhcp", or as for Linux ADDRESS::GATEWAY:NETMASK, of which GATEWAY may be empty. (What Linux
/// reads between the first two colons is the address of an NFS server; what may follow the netmask is for it alone.)
/// @return nothing if it is neither, or no host of the network that it tells of
std::optional<Settings> settings_in(const char* text);

}
