// A configuration as JSON, field by field what `xl create -n` of Xen 4.17 prints: libxl's domain_config, without what
// has its default. It knows every option of xl.cfg(5), whether Xylem serves it or not (options.hpp says which).
#pragma once

#include "tools/xl/config/json.hpp"
#include "tools/xl/config/reader.hpp"

namespace xylem::xl::config {

/// What of the machine shows in a description: lists of processors are written out.
struct Machine {
    unsigned cpus = 1;
    unsigned nodes = 1;
};

/// xl.conf(5)'s, for what a configuration leaves open.
struct Defaults {
    bool claim_mode = true;
    bool run_hotplug_scripts = true;
    std::optional<std::string> vif_script;
    std::optional<std::string> vif_bridge;
    std::optional<std::string> vif_gateway_device;
    std::optional<std::string> vif_backend;
    std::optional<std::string> vif_backend_type;
    bool disks_prefer_linux = false; ///< of those that Linux's own backend can serve
    std::optional<std::string> block_device_start;
    std::optional<std::int64_t> max_grant_frames;
    std::optional<std::int64_t> max_maptrack_frames;
    std::optional<std::int64_t> max_grant_version;
};

/// @throws SyntaxError  where xl would make nothing of it; what xl only warns of goes to `complaints`
Json describe(const Settings& settings, const std::string& file, const Machine& machine, const Defaults& defaults,
              Complaints& complaints);

}
