// See domain_config.hpp.
#include "tools/xl/config/domain_config.hpp"

#include "dom0/lib/routed_interface.hpp"
#include "tools/xl/config/options.hpp"
#include "tools/xl/config/reader.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

namespace xylem::xl::config {

namespace {

constexpr std::array<std::string_view, 7> action_names{
    "destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart", "soft-reset"};

constexpr std::int64_t most_vcpus = 8192;
constexpr std::int64_t most_mib = std::int64_t{1} << 32;

/// Typed access to what is served, with each mistake reported at its place.
class Strict {
public:
    Strict(const Settings& settings, const std::string& file, Complaints& complaints)
        : reader_(settings, file, complaints)
    {
    }

    const Setting* find(std::string_view name) const { return reader_.find(name); }
    std::string text(std::string_view name) const { return reader_.text(name).value_or(""); }
    std::optional<std::int64_t> number(std::string_view name, std::int64_t least, std::int64_t most) const
    {
        return reader_.bounded(name, least, most);
    }
    std::optional<unsigned> small_number(std::string_view name, std::int64_t least, std::int64_t most) const
    {
        const auto value = number(name, least, most);
        return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
    }
    bool flag(std::string_view name) const { return reader_.flag(name).value_or(false); }
    std::vector<Value> list(std::string_view name) const
    {
        return reader_.is_list(name) ? find(name)->value.list : std::vector<Value>();
    }

    [[noreturn]] void refuse(std::string_view name, const std::string& why) const
    {
        throw SyntaxError(reader_.place(name), why);
    }

private:
    Reader reader_;
};

/// Why the setting is refused by its name alone; empty if it is not.
std::string refusal_of(const Setting& setting)
{
    switch (state_of(setting.name)) {
    case OptionState::served:
        return {};
    case OptionState::not_yet:
        return fmt::format("the option '{}' is not served yet", setting.name);
    case OptionState::for_hvm_only:
        return fmt::format("the option '{}' is for HVM guests; only PV guests are served", setting.name);
    case OptionState::unknown:
        break;
    }
    const std::string nearest = nearest_option(setting.name);
    return fmt::format("there is no option '{}'{}", setting.name,
                       nearest.empty() ? "" : "; did you mean '" + nearest + "'?");
}

void check_names(const Settings& settings)
{
    for (const Setting& setting : settings.all())
        if (const std::string refusal = refusal_of(setting); !refusal.empty())
            throw SyntaxError(setting.where, refusal);
}

void check_type(const Strict& reader)
{
    const std::string type = reader.text("type");
    const std::string builder = reader.text("builder");
    if (!type.empty() && type != "pv")
        reader.refuse("type", fmt::format("guests of type '{}' are not served; expected 'pv'", type));
    if (!builder.empty() && builder != "generic" && builder != "linux")
        reader.refuse("builder", fmt::format("the builder '{}' is not served; expected 'generic'", builder));
    if (!reader.list("vfb").empty())
        reader.refuse("vfb", "the option 'vfb' is not served: there is no framebuffer backend");
    if (!reader.list("pci").empty())
        reader.refuse("pci", "the option 'pci' is not served yet");
    if (!reader.text("bootloader").empty())
        reader.refuse("bootloader", "the option 'bootloader' is not served yet; expected 'kernel'");
    if (const std::string pool = reader.text("pool"); !pool.empty() && pool != "Pool-0")
        reader.refuse("pool", fmt::format("there is no pool '{}'; expected 'Pool-0'", pool));
    if (const std::string mode = reader.text("passthrough"); !mode.empty() && mode != "disabled")
        reader.refuse("passthrough", "the option 'passthrough' is not served yet; expected 'disabled'");
    if (reader.find("tsc_mode") && reader.find("tsc_mode")->value.text != "default" &&
        reader.find("tsc_mode")->value.text != "0")
        reader.refuse("tsc_mode", "TSC modes are not served yet; expected 'default'");
}

void read_name(const Strict& reader, DomainConfig& config)
{
    config.name = reader.text("name");
    if (!is_domain_name(config.name))
        throw SyntaxError(reader.find("name")->value.where,
                          fmt::format("'{}' cannot be a domain's name; expected {}", config.name, domain_name_rule));
}

/// The whole of it is made of several settings, or may be lacking: the description has put it together.
std::string from_description(const Json& part, const char* field)
{
    return part.contains(field) && part[field].is_string() ? part[field].get<std::string>() : std::string();
}

void read_kernel(const Strict& reader, DomainConfig& config)
{
    const Json& build = config.description->at("b_info");
    config.kernel = from_description(build, "kernel");
    config.ramdisk = from_description(build, "ramdisk");
    config.command_line = from_description(build, "cmdline");
    if (config.kernel.empty())
        reader.refuse("kernel", "'kernel' is missing: expected the path of the guest's kernel");
    if (reader.find("firmware"))
        reader.refuse("firmware", "the option 'firmware' is not served yet; expected 'kernel'");
}

void read_sizes(const Strict& reader, DomainConfig& config)
{
    const auto memory = reader.number("memory", 1, most_mib);
    const auto most = reader.number("maxmem", 1, most_mib);
    if (!memory && !most)
        reader.refuse("memory", "'memory' is missing: expected the domain's memory in MiB");
    config.memory_kib = static_cast<std::uint64_t>(memory.value_or(most.value_or(0))) << 10;
    config.max_memory_kib = static_cast<std::uint64_t>(most.value_or(memory.value_or(0))) << 10;
    if (config.max_memory_kib < config.memory_kib)
        reader.refuse("maxmem", "'maxmem' is less than 'memory'; expected at least as much");
    config.vcpus = reader.small_number("vcpus", 1, most_vcpus).value_or(1);
    config.max_vcpus = reader.small_number("maxvcpus", 1, most_vcpus).value_or(config.vcpus);
    if (config.max_vcpus < config.vcpus)
        reader.refuse("maxvcpus", "'maxvcpus' is less than 'vcpus'; expected at least as many");
    config.max_event_channels = reader.small_number("max_event_channels", 1, 131071);
}

void read_grant_limits(const Strict& reader, DomainConfig& config, const Defaults& defaults)
{
    const struct {
        const char* name;
        unsigned least, most;
        std::optional<std::int64_t> otherwise;
        std::optional<unsigned> DomainConfig::*into;
    } limits[] = {
        {"max_grant_frames", 1, 1 << 20, defaults.max_grant_frames, &DomainConfig::max_grant_frames},
        {"max_maptrack_frames", 0, 1 << 20, defaults.max_maptrack_frames, &DomainConfig::max_maptrack_frames},
        {"max_grant_version", 1, 2, defaults.max_grant_version, &DomainConfig::max_grant_version},
    };
    for (const auto& limit : limits) {
        config.*limit.into = reader.small_number(limit.name, limit.least, limit.most);
        if (!(config.*limit.into) && limit.otherwise)
            config.*limit.into = static_cast<unsigned>(*limit.otherwise);
    }
}

std::vector<std::string> read_cpu_lists(const Strict& reader, std::string_view name)
{
    const Setting* setting = reader.find(name);
    if (!setting)
        return {};
    if (setting->value.kind != Value::Kind::list)
        return {setting->value.text};
    std::vector<std::string> lists;
    for (const Value& value : setting->value.list)
        lists.push_back(value.text);
    return lists;
}

void read_scheduling(const Strict& reader, DomainConfig& config)
{
    config.cpus = read_cpu_lists(reader, "cpus");
    config.soft_cpus = read_cpu_lists(reader, "cpus_soft");
    config.cpu_weight = reader.small_number("cpu_weight", 1, 65535);
    config.cap = reader.small_number("cap", 0, 65535);
}

ShutdownAction read_action(const Strict& reader, std::string_view name, ShutdownAction otherwise)
{
    const std::string text = reader.text(name);
    for (std::size_t i = 0; i < action_names.size(); ++i)
        if (text == action_names[i])
            return static_cast<ShutdownAction>(i);
    return otherwise; // the description has refused what is no action
}

void read_actions(const Strict& reader, DomainConfig& config)
{
    config.on_poweroff = read_action(reader, "on_poweroff", config.on_poweroff);
    config.on_reboot = read_action(reader, "on_reboot", config.on_reboot);
    config.on_crash = read_action(reader, "on_crash", config.on_crash);
    config.on_watchdog = read_action(reader, "on_watchdog", config.on_watchdog);
    config.on_soft_reset = read_action(reader, "on_soft_reset", config.on_soft_reset);
    for (const char* name : {"on_poweroff", "on_reboot", "on_crash", "on_watchdog"})
        if (reader.text(name) == "soft-reset")
            reader.refuse(name, fmt::format("{}: 'soft-reset' is for HVM guests; a PV guest has none", name));
}

template <typename Spec, typename Parse>
std::vector<Spec> read_devices(const Strict& reader, std::string_view name, Parse parse)
{
    std::vector<Spec> devices;
    for (const Value& value : reader.list(name)) {
        if (value.kind != Value::Kind::string)
            throw SyntaxError(value.where, fmt::format("'{}' wants a list of strings in quotes", name));
        try {
            devices.push_back(parse(value.text));
        } catch (const SpecError& error) {
            Position where = value.where;
            where.column += static_cast<unsigned>(error.offset) + 1; // behind the quote
            throw SyntaxError(where, error.what());
        }
    }
    return devices;
}

/// The description has understood each already.
void read_channels(const Strict& reader, DomainConfig& config)
{
    if (!config.description->contains("channels"))
        return;
    const Json& described = config.description->at("channels");
    const std::vector<Value> written = reader.list("channel");
    for (std::size_t i = 0; i < described.size(); ++i) {
        const Json& channel = described[i];
        const auto text = [](const Json& json, const char* field) { return json.value(field, std::string()); };
        config.channels.push_back({.name = text(channel, "name"),
                                   .socket_path = text(channel.value("connection.socket", Json::object()), "path"),
                                   .backend_domain = text(channel, "backend_domname")});
        if (const std::string complaint = complaint_of_last(config.channels); !complaint.empty())
            throw SyntaxError(written.at(i).where, complaint);
    }
}

void check_devices(const Strict& reader, const DomainConfig& config)
{
    for (std::size_t i = 0; i < config.disks.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (config.disks[i].number == config.disks[j].number)
                throw SyntaxError(reader.list("disk")[i].where,
                                  fmt::format("there are two disks '{}'", config.disks[i].vdev));
    for (std::size_t i = 0; i < config.vifs.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (config.vifs[i].devid && config.vifs[i].devid == config.vifs[j].devid)
                throw SyntaxError(reader.list("vif")[i].where,
                                  fmt::format("there are two interfaces of devid {}", *config.vifs[i].devid));
}

}

std::string_view name_of(ShutdownAction action)
{
    return action_names[static_cast<std::size_t>(action)];
}

bool is_domain_name(std::string_view name)
{
    constexpr std::size_t longest = 40; // as list's column
    const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
    const auto usable = [](unsigned char c) { return std::isalnum(c) != 0 || (c != 0 && std::strchr("_-.+:@", c)); };
    return !name.empty() && name.size() <= longest && std::all_of(name.begin(), name.end(), usable) &&
           !std::all_of(name.begin(), name.end(), digit);
}

std::vector<std::string> unserved_options(const Settings& settings)
{
    std::vector<std::string> refusals;
    for (const Setting& setting : settings.all())
        if (const std::string refusal = refusal_of(setting); !refusal.empty())
            refusals.emplace_back(SyntaxError(setting.where, refusal).what());
    return refusals;
}

void apply_defaults(VifSpec& vif, const Defaults& defaults)
{
    const std::pair<std::string VifSpec::*, const std::optional<std::string>&> fields[] = {
        {&VifSpec::bridge, defaults.vif_bridge},
        {&VifSpec::script, defaults.vif_script},
        {&VifSpec::backend_domain, defaults.vif_backend},
        {&VifSpec::backend_type, defaults.vif_backend_type},
    };
    for (const auto& [field, value] : fields)
        if ((vif.*field).empty() && value)
            vif.*field = *value;
    if (vif.gateway_device.empty() && dom0::is_routing_script(vif.script))
        vif.gateway_device = defaults.vif_gateway_device.value_or("");
}

void apply_defaults(DiskSpec& disk, const Defaults& defaults)
{
    disk.prefers_linux = defaults.disks_prefer_linux;
}

DomainConfig read_domain_config(const Settings& settings, const std::string& file, const Machine& machine,
                                const Defaults& defaults)
{
    Complaints complaints;
    const Strict reader(settings, file, complaints);
    check_names(settings);
    check_type(reader);
    DomainConfig config;
    config.description = std::make_shared<const Json>(describe(settings, file, machine, defaults, complaints));
    config.uuid = from_description(config.description->at("c_info"), "uuid");
    read_name(reader, config);
    read_kernel(reader, config);
    read_sizes(reader, config);
    read_grant_limits(reader, config, defaults);
    read_scheduling(reader, config);
    read_actions(reader, config);
    config.disks = read_devices<DiskSpec>(reader, "disk", parse_disk_spec);
    for (DiskSpec& disk : config.disks)
        apply_defaults(disk, defaults);
    config.vifs = read_devices<VifSpec>(reader, "vif", parse_vif_spec);
    for (VifSpec& vif : config.vifs)
        apply_defaults(vif, defaults);
    check_devices(reader, config);
    read_channels(reader, config);
    config.time_offset_seconds =
        reader.number("rtc_timeoffset", -(std::int64_t{1} << 40), std::int64_t{1} << 40).value_or(0);
    config.is_driver_domain = reader.flag("driver_domain");
    if (reader.flag("localtime"))
        reader.refuse("localtime", "the option 'localtime' is not served yet; expected 0");
    if (!complaints.empty())
        throw Failure(complaints.front());
    return config;
}

}
