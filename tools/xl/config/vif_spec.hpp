// Network interface specifications, as xl-network-configuration(5) has them: "mac=...,bridge=...".
#pragma once

#include "tools/xl/config/rate.hpp"
#include "tools/xl/config/spec.hpp"

#include <array>
#include <cstdint>
#include <optional>

namespace xylem::xl::config {

using MacAddress = std::array<std::uint8_t, 6>;

std::optional<MacAddress> parse_mac(std::string_view text);
std::string text_of(const MacAddress& mac);

struct VifSpec {
    std::optional<MacAddress> mac;
    std::string bridge; ///< empty for the default one
    std::string gateway_device;
    std::string name; ///< of the interface in dom0; empty for vifDOMID.DEVID
    std::string script;
    std::string ip;
    std::string backend_domain;
    std::string type; ///< "vif" or empty
    std::optional<Rate> rate;
    std::optional<std::uint32_t> devid;
    std::optional<std::uint32_t> mtu;
    bool trusted = true;
    // Keys of ours.
    bool mac_filter = false;  ///< frames that the guest sends have its own address as source
    std::string backend_type; ///< "linux" for Linux's own backend, "xylem" or empty for ours
};

/// @throws SpecError
VifSpec parse_vif_spec(std::string_view spec);

}
