// A domain as its configuration wants it: xl.cfg(5)'s settings with their types and defaults.
//
// Every option of xl.cfg(5) is known by name. What is not served yet is refused by name, and so is what no xl.cfg has:
// a domain that silently lacks what was asked for is worse than none.
#pragma once

#include "tools/xl/config/channel_spec.hpp"
#include "tools/xl/config/description.hpp"
#include "tools/xl/config/disk_spec.hpp"
#include "tools/xl/config/syntax.hpp"
#include "tools/xl/config/vif_spec.hpp"

#include <memory>

namespace xylem::xl::config {

enum class ShutdownAction {
    destroy,
    restart,
    rename_restart,
    preserve,
    coredump_destroy,
    coredump_restart,
    soft_reset
};

std::string_view name_of(ShutdownAction action);

struct DomainConfig {
    std::string name;
    std::string uuid; ///< empty to have one made
    std::string kernel;
    std::string ramdisk; ///< empty for none
    std::string command_line;
    std::uint64_t memory_kib = 0;
    std::uint64_t max_memory_kib = 0;
    unsigned vcpus = 1; ///< online at the start
    unsigned max_vcpus = 1;
    /// Lists of processors as written: one for all vCPUs, or one each; empty for any processor.
    std::vector<std::string> cpus;
    std::vector<std::string> soft_cpus;
    std::optional<unsigned> cpu_weight;
    std::optional<unsigned> cap;
    ShutdownAction on_poweroff = ShutdownAction::destroy;
    ShutdownAction on_reboot = ShutdownAction::restart;
    ShutdownAction on_crash = ShutdownAction::destroy;
    ShutdownAction on_watchdog = ShutdownAction::destroy;
    ShutdownAction on_soft_reset = ShutdownAction::soft_reset;
    std::vector<DiskSpec> disks;
    std::vector<VifSpec> vifs;
    std::vector<ChannelSpec> channels;
    std::optional<unsigned> max_grant_frames;
    std::optional<unsigned> max_maptrack_frames;
    std::optional<unsigned> max_grant_version;
    std::optional<unsigned> max_event_channels;
    std::int64_t time_offset_seconds = 0;
    bool is_driver_domain = false;           ///< serves other guests' devices, perhaps by Xen's tools
    std::string source;                      ///< the text that says all this, empty if there is none
    std::shared_ptr<const Json> description; ///< all that the configuration says, as libxl's domain_config
};

/// Whether a domain can be called so without being mistaken for another, or for a path.
bool is_domain_name(std::string_view name);
inline constexpr const char* domain_name_rule = "at most 40 letters, digits and _-.+:@, not digits alone";

/// Gives an interface or a disk what xl.conf has for those that do not say otherwise.
void apply_defaults(VifSpec& vif, const Defaults& defaults);
void apply_defaults(DiskSpec& disk, const Defaults& defaults);

/// A sentence for each setting that read_domain_config refuses by its name alone.
std::vector<std::string> unserved_options(const Settings& settings);

/// What of the settings can be had here.
/// @throws Failure  naming the place of the first thing that cannot
DomainConfig read_domain_config(const Settings& settings, const std::string& file, const Machine& machine = {},
                                const Defaults& defaults = {});

}
