// A guest's interface that joins no bridge: dom0 routes to it, as Xen's script vif-route has it.
//
// Dom0's end has the address of another interface of dom0's, the gateway device, and answers for all other addresses
// (proxy_arp), so that the guest finds dom0, and through it the rest, whatever its own address. Each of the guest's
// networks has a route to it. All this goes with the interface.
#pragma once

#include "hypervisor/base/types.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xylem::dom0 {

/// Whether an interface's script says that it is to be routed to: "vif-route", with or without its usual folder.
constexpr bool is_routing_script(std::string_view script)
{
    return script == "vif-route" || script == "/etc/xen/scripts/vif-route";
}

struct Ipv4Network {
    u32 address = 0;     ///< in the byte order of numbers: 10.0.0.1 is 0x0a000001
    unsigned prefix = 0; ///< 32: one host
    bool operator==(const Ipv4Network&) const = default;
};

/// "10.0.0.5" and "10.0.1.0/24", between blanks.
/// @throws std::runtime_error  with a sentence that names the word that is none
std::vector<Ipv4Network> parse_networks(std::string_view text);
std::string text_of(const Ipv4Network& network);

/// The first IPv4 address of an interface; nothing if it has none, or does not exist.
std::optional<u32> address_of_interface(const std::string& name);

/// What a vif has without a word about it, as in vif-route.
inline constexpr const char* default_gateway_device = "eth0";

struct RoutedInterface {
    std::string gateway_device;
    std::vector<Ipv4Network> networks; ///< that are the guest's
};

/// Makes interface `name`, which is up, dom0's end of the guest's wire.
/// @throws std::runtime_error  with a sentence: the gateway device has no address, another interface has the route, ...
void route_interface(const std::string& name, const RoutedInterface& routed);

}
