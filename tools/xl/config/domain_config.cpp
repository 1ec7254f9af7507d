// See domain_config.hpp.
#include "tools/xl/config/domain_config.hpp"

#include "tools/xl/config/options.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>

namespace xylem::xl::config {

namespace {

constexpr std::int64_t most_vcpus = 8192;
constexpr std::int64_t most_mib = std::int64_t{1} << 32;

/// Typed access to the settings, with each mistake reported at its place.
class Reader {
public:
    Reader(const Settings& settings, const std::string& file) : settings_(settings), file_{file, 1, 1} {}

    const Setting* find(std::string_view name) const { return settings_.find(name); }

    std::string text(std::string_view name) const
    {
        const Setting* setting = find(name);
        return setting ? text_of(*setting) : std::string();
    }
    static std::string text_of(const Setting& setting)
    {
        if (setting.value.kind != Value::Kind::string)
            throw SyntaxError(setting.value.where, fmt::format("'{}' wants a string in quotes", setting.name));
        return setting.value.text;
    }
    std::string required_text(std::string_view name, const char* why) const
    {
        if (const std::string value = text(name); !value.empty())
            return value;
        const Setting* setting = find(name);
        throw SyntaxError(setting ? setting->value.where : file_, fmt::format("'{}' is missing: {}", name, why));
    }

    /// Quoted numbers are numbers too: many a configuration in use has them.
    std::optional<std::int64_t> number(std::string_view name, std::int64_t least, std::int64_t most) const
    {
        const Setting* setting = find(name);
        if (!setting)
            return std::nullopt;
        const auto value = setting->value.kind == Value::Kind::list ? std::nullopt : number_of(setting->value.text);
        if (!value || *value < least || *value > most)
            throw SyntaxError(setting->value.where,
                              fmt::format("'{}' wants a number from {} to {}", name, least, most));
        return value;
    }
    std::optional<unsigned> small_number(std::string_view name, std::int64_t least, std::int64_t most) const
    {
        const auto value = number(name, least, most);
        return value ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
    }
    bool flag(std::string_view name) const
    {
        return number(name, 0, std::numeric_limits<std::int64_t>::max()).value_or(0) != 0;
    }

    std::vector<Value> list(std::string_view name) const
    {
        const Setting* setting = find(name);
        if (!setting)
            return {};
        if (setting->value.kind != Value::Kind::list)
            throw SyntaxError(setting->value.where, fmt::format("'{}' wants a list in [ ]", name));
        return setting->value.list;
    }

    [[noreturn]] void refuse(std::string_view name, const std::string& why) const
    {
        throw SyntaxError(find(name)->value.where, why);
    }

private:
    const Settings& settings_;
    Position file_;
};

void check_names(const Settings& settings)
{
    for (const Setting& setting : settings.all()) {
        switch (state_of(setting.name)) {
        case OptionState::served:
            break;
        case OptionState::not_yet:
            throw SyntaxError(setting.where, fmt::format("the option '{}' is not served yet", setting.name));
        case OptionState::for_hvm_only:
            throw SyntaxError(setting.where, fmt::format("the option '{}' is for HVM guests; only PV guests are served",
                                                         setting.name));
        case OptionState::unknown:
            const std::string nearest = nearest_option(setting.name);
            throw SyntaxError(setting.where, fmt::format("there is no option '{}'{}", setting.name,
                                                         nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
        }
    }
}

void check_type(const Reader& reader)
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

void read_name(const Reader& reader, DomainConfig& config)
{
    config.name = reader.required_text("name", "a domain needs a name");
    if (!is_domain_name(config.name))
        throw SyntaxError(reader.find("name")->value.where,
                          fmt::format("'{}' cannot be a domain's name; expected {}", config.name, domain_name_rule));
}

bool is_uuid(const std::string& text)
{
    static constexpr std::string_view shape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    return text.size() == shape.size() &&
           std::equal(text.begin(), text.end(), shape.begin(),
                      [](unsigned char c, char wanted) { return wanted == '-' ? c == '-' : std::isxdigit(c) != 0; });
}

void read_uuid(const Reader& reader, DomainConfig& config)
{
    config.uuid = reader.text("uuid");
    std::transform(config.uuid.begin(), config.uuid.end(), config.uuid.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!config.uuid.empty() && !is_uuid(config.uuid))
        throw SyntaxError(
            reader.find("uuid")->value.where,
            fmt::format("'{}' is no UUID; expected one like 6cb1975a-e55d-11f1-9b3c-8eb31e9bf1b3", config.uuid));
}

/// The command line is `cmdline`, or else made of `root` and `extra`.
void read_kernel(const Reader& reader, DomainConfig& config)
{
    config.kernel = reader.required_text("kernel", "expected the path of the guest's kernel");
    config.ramdisk = reader.text("ramdisk");
    config.command_line = reader.text("cmdline");
    const std::string root = reader.text("root");
    const std::string extra = reader.text("extra");
    if (!config.command_line.empty() && !(root.empty() && extra.empty()))
        throw SyntaxError(reader.find(root.empty() ? "extra" : "root")->where,
                          "'cmdline' is given too; expected either 'cmdline', or 'root' and 'extra'");
    if (!root.empty())
        config.command_line = "root=" + root;
    if (!extra.empty())
        config.command_line += (root.empty() ? "" : " ") + extra;
}

void read_sizes(const Reader& reader, DomainConfig& config)
{
    const auto memory = reader.number("memory", 1, most_mib);
    const auto most = reader.number("maxmem", 1, most_mib);
    if (!memory && !most)
        reader.required_text("memory", "expected the domain's memory in MiB");
    config.memory_kib = static_cast<std::uint64_t>(memory.value_or(most.value_or(0))) << 10;
    config.max_memory_kib = static_cast<std::uint64_t>(most.value_or(memory.value_or(0))) << 10;
    if (config.max_memory_kib < config.memory_kib)
        reader.refuse("maxmem", "'maxmem' is less than 'memory'; expected at least as much");
    config.vcpus = reader.small_number("vcpus", 1, most_vcpus).value_or(1);
    config.max_vcpus = reader.small_number("maxvcpus", 1, most_vcpus).value_or(config.vcpus);
    if (config.max_vcpus < config.vcpus)
        reader.refuse("maxvcpus", "'maxvcpus' is less than 'vcpus'; expected at least as many");
    config.max_grant_frames = reader.small_number("max_grant_frames", 1, 1 << 20);
    config.max_maptrack_frames = reader.small_number("max_maptrack_frames", 0, 1 << 20);
    config.max_event_channels = reader.small_number("max_event_channels", 1, 131071);
}

std::vector<std::string> read_cpu_lists(const Reader& reader, std::string_view name)
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

void read_scheduling(const Reader& reader, DomainConfig& config)
{
    config.cpus = read_cpu_lists(reader, "cpus");
    config.soft_cpus = read_cpu_lists(reader, "cpus_soft");
    config.cpu_weight = reader.small_number("cpu_weight", 1, 65535);
    config.cap = reader.small_number("cap", 0, 65535);
}

ShutdownAction read_action(const Reader& reader, std::string_view name, ShutdownAction otherwise)
{
    const std::string text = reader.text(name);
    if (text.empty())
        return otherwise;
    for (ShutdownAction action :
         {ShutdownAction::destroy, ShutdownAction::restart, ShutdownAction::rename_restart, ShutdownAction::preserve})
        if (text == name_of(action))
            return action;
    const bool known = text == "coredump-destroy" || text == "coredump-restart" || text == "soft-reset";
    throw SyntaxError(reader.find(name)->value.where,
                      fmt::format("{}: '{}' {}; expected destroy, restart, rename-restart or preserve", name, text,
                                  known ? "is not served yet" : "is no action"));
}

void read_actions(const Reader& reader, DomainConfig& config)
{
    config.on_poweroff = read_action(reader, "on_poweroff", config.on_poweroff);
    config.on_reboot = read_action(reader, "on_reboot", config.on_reboot);
    config.on_crash = read_action(reader, "on_crash", config.on_crash);
    config.on_watchdog = read_action(reader, "on_watchdog", config.on_watchdog);
    // A PV guest cannot ask for a soft reset; the setting is read so that a wrong word is still an error.
    if (reader.text("on_soft_reset") != "soft-reset")
        read_action(reader, "on_soft_reset", ShutdownAction::destroy);
}

template <typename Spec, typename Parse>
std::vector<Spec> read_devices(const Reader& reader, std::string_view name, Parse parse)
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

void check_devices(const Reader& reader, const DomainConfig& config)
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
    static constexpr std::array<std::string_view, 4> names{"destroy", "restart", "rename-restart", "preserve"};
    return names[static_cast<std::size_t>(action)];
}

bool is_domain_name(std::string_view name)
{
    constexpr std::size_t longest = 40; // as list's column
    const auto digit = [](unsigned char c) { return std::isdigit(c) != 0; };
    const auto usable = [](unsigned char c) { return std::isalnum(c) != 0 || (c != 0 && std::strchr("_-.+:@", c)); };
    return !name.empty() && name.size() <= longest && std::all_of(name.begin(), name.end(), usable) &&
           !std::all_of(name.begin(), name.end(), digit);
}

DomainConfig read_domain_config(const Settings& settings, const std::string& file)
{
    check_names(settings);
    const Reader reader(settings, file);
    check_type(reader);
    DomainConfig config;
    read_name(reader, config);
    read_uuid(reader, config);
    read_kernel(reader, config);
    read_sizes(reader, config);
    read_scheduling(reader, config);
    read_actions(reader, config);
    config.disks = read_devices<DiskSpec>(reader, "disk", parse_disk_spec);
    config.vifs = read_devices<VifSpec>(reader, "vif", parse_vif_spec);
    check_devices(reader, config);
    config.time_offset_seconds =
        reader.number("rtc_timeoffset", -(std::int64_t{1} << 40), std::int64_t{1} << 40).value_or(0);
    if (reader.flag("localtime"))
        reader.refuse("localtime", "the option 'localtime' is not served yet; expected 0");
    return config;
}

}
