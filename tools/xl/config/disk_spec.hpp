// Disk specifications, as xl-disk-configuration(5) has them: "[target, [format, [vdev, [access]]]]" with keys and flags
// anywhere between, and old prefixes as in "phy:/dev/vg/disk,xvda,w".
#pragma once

#include "tools/xl/config/spec.hpp"

#include <cstdint>
#include <optional>

namespace xylem::xl::config {

struct DiskSpec {
    std::string target; ///< a path; empty for an empty drive
    std::string format = "raw";
    std::string vdev;         ///< as the guest calls it
    std::uint32_t number = 0; ///< of the virtual device, what vdev stands for
    bool read_only = false;
    bool cdrom = false;
    bool discard = true;
    bool trusted = true;
    bool direct_io_safe = false;
    std::string backend_domain; ///< empty for dom0
    std::string backend_type;   ///< empty to let xl choose
    std::string script;
};

/// @throws SpecError
DiskSpec parse_disk_spec(std::string_view spec);

/// The number of a virtual device (xen-vbd-interface(7)): "xvda", "xvda1", "hdc", "sdb3", "d2p1" or the number itself.
std::optional<std::uint32_t> virtual_device_number(std::string_view vdev);

}
