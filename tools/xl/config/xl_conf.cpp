// See xl_conf.hpp.
#include "tools/xl/config/xl_conf.hpp"

#include <algorithm>
#include <array>

namespace xylem::xl::config {

namespace {

/// Known, and without an effect here: nothing is migrated, ballooned or printed as S-expressions.
constexpr auto idle = std::to_array<std::string_view>({
    "autoballoon",
    "colo.default.proxyscript",
    "domid_policy",
    "output_format",
    "remus.default.netbufscript",
    "vm.hvm.cpumask",
});
constexpr auto served = std::to_array<std::string_view>({
    "blkdev_start",
    "claim_mode",
    "defaultbridge",
    "disk.default.backendtype",
    "lockfile",
    "max_grant_frames",
    "max_grant_version",
    "max_maptrack_frames",
    "run_hotplug_scripts",
    "vif.default.backend",
    "vif.default.backendtype",
    "vif.default.bridge",
    "vif.default.gatewaydev",
    "vif.default.script",
    "vifscript",
    "vm.cpumask",
    "vm.pv.cpumask",
});

template <std::size_t N> bool among(const std::array<std::string_view, N>& names, std::string_view name)
{
    return std::find(names.begin(), names.end(), name) != names.end();
}

}

static std::optional<std::string> one_of(const Reader& reader, const char* name,
                                         std::initializer_list<std::string_view> known)
{
    const auto value = reader.text(name);
    if (!value || std::find(known.begin(), known.end(), *value) != known.end())
        return value;
    reader.complain(reader.place(name),
                    fmt::format("'{}' is no {}; expected {}", *value, name, fmt::join(known, " or ")));
    return std::nullopt;
}

XlConf read_xl_conf(const Settings& settings, const std::string& file, Complaints& complaints)
{
    const Reader reader(settings, file, complaints);
    for (const Setting& setting : settings.all())
        if (!among(idle, setting.name) && !among(served, setting.name))
            reader.complain(setting.where, fmt::format("there is no option '{}'", setting.name));
    const auto either = [&](const char* name, const char* old_name) {
        const auto value = reader.text(name);
        return value ? value : reader.text(old_name);
    };
    constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
    XlConf conf;
    conf.defaults.claim_mode = reader.flag("claim_mode").value_or(true);
    conf.defaults.run_hotplug_scripts = reader.flag("run_hotplug_scripts").value_or(true);
    conf.defaults.vif_script = either("vif.default.script", "vifscript");
    conf.defaults.vif_bridge = either("vif.default.bridge", "defaultbridge");
    conf.defaults.vif_gateway_device = reader.text("vif.default.gatewaydev");
    conf.defaults.vif_backend = reader.text("vif.default.backend");
    conf.defaults.vif_backend_type = one_of(reader, "vif.default.backendtype", {"xylem", "linux"});
    conf.defaults.disks_prefer_linux = one_of(reader, "disk.default.backendtype", {"qdisk", "phy"}) == "phy";
    conf.defaults.block_device_start = reader.text("blkdev_start");
    conf.defaults.max_grant_frames = reader.bounded("max_grant_frames", 0, most);
    conf.defaults.max_maptrack_frames = reader.bounded("max_maptrack_frames", 0, most);
    conf.defaults.max_grant_version = reader.bounded("max_grant_version", 0, most);
    conf.lock_file = reader.text("lockfile").value_or(conf.lock_file);
    conf.pv_cpumask = reader.text("vm.pv.cpumask");
    conf.vm_cpumask = reader.text("vm.cpumask");
    return conf;
}

}
