// Disk specifications, as xl-disk-configuration(5) has them: "[target, [format, [vdev, [access]]]]" with keys and flags
// anywhere between, and old prefixes as in "phy:/dev/vg/disk,xvda,w".
#pragma once

#include "tools/xl/config/json.hpp"
#include "tools/xl/config/rate.hpp"
#include "tools/xl/config/spec.hpp"

#include <cstdint>
#include <optional>

namespace xylem::xl::config {

struct DiskSpec {
    bool has_target = true;
    std::string target;       ///< a path; empty for an empty drive
    std::string format;       ///< raw, qcow, qcow2, vhd, qed or empty
    std::string vdev;         ///< as the guest calls it
    std::uint32_t number = 0; ///< of the virtual device, what vdev stands for (set by parse_disk_spec)
    bool read_only = false;
    bool cdrom = false;
    std::optional<bool> discard;
    std::optional<bool> trusted;
    bool direct_io_safe = false;
    std::string backend_domain; ///< empty for dom0
    std::string backend_type;   ///< empty to let xl choose
    bool prefers_linux = false; ///< where xl chooses, Linux's own backend for what it can serve: xl.conf's default
    std::string specification;
    std::string script;
    // Keys of ours: what the guest may have of the disk.
    std::optional<std::uint32_t> max_iops; ///< requests a second
    std::optional<Rate> max_rate;          ///< bytes read and written
    // COLO, which keeps two guests in step.
    std::optional<bool> colo;
    std::optional<std::string> colo_host;
    int colo_port = 0;
    std::optional<std::string> colo_export;
    std::optional<std::string> active_disk;
    std::optional<std::string> hidden_disk;
};

/// What is written, whether it can be used or not.
/// @throws SpecError
DiskSpec read_disk_spec(std::string_view spec);

/// A disk that a guest can have, with its number and its target's whole path.
/// @throws SpecError
DiskSpec parse_disk_spec(std::string_view spec);

/// As libxl's device_disk.
Json to_json(const DiskSpec& disk);

/// The number of a virtual device (xen-vbd-interface(7)): "xvda", "xvda1", "hdc", "sdb3", "d2p1" or the number itself.
std::optional<std::uint32_t> virtual_device_number(std::string_view vdev);

}
