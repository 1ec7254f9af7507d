// See description.hpp. Here are the domain itself and how it is built; devices are in description_devices.cpp, what
// only HVM guests have in description_hvm.cpp. Fields stand in libxl's order, which is the order in which they print.
#include "tools/xl/config/description.hpp"

#include "tools/xl/config/cpu_ranges.hpp"
#include "tools/xl/config/cpuid_policy.hpp"
#include "tools/xl/config/description_parts.hpp"

#include <array>

namespace xylem::xl::config {

namespace {

using Kind = Field::Kind;

constexpr std::string_view firmware_folder = "/usr/lib/xen-4.17/boot";

std::string type_of(const Reader& reader)
{
    const auto named = [&](const char* setting, Names names) -> std::string {
        const auto text = reader.text(setting);
        if (!text)
            return {};
        for (std::string_view name : names)
            if (name.starts_with(*text)) // the beginning of a name is enough
                return name == "generic" ? "pv" : std::string(name);
        reader.refuse(setting, "'{}' cannot be '{}'; expected one of {}", setting, *text, fmt::join(names, ", "));
    };
    static constexpr std::array<std::string_view, 3> types{"hvm", "pv", "pvh"};
    static constexpr std::array<std::string_view, 2> builders{"hvm", "generic"};
    const std::string type = named("type", types);
    const std::string builder = named("builder", builders);
    if (!type.empty() && !builder.empty() && type != builder)
        reader.refuse("builder", "'builder' and 'type' contradict each other; 'type' is enough");
    return !type.empty() ? type : !builder.empty() ? builder : "pv";
}

Json create_info(const Reader& reader, const Defaults& defaults, const std::string& type)
{
    static constexpr std::array<std::string_view, 5> passthrough{"default", "disabled", "enabled", "sync_pt",
                                                                 "share_pt"};
    Json json{{"type", type}};
    set_flag(json, "hap", reader.flag("hap"));
    set_flag(json, "oos", reader.flag("oos"));
    const auto initial_label = reader.text("init_seclabel");
    set(json, "ssid_label", initial_label ? initial_label : reader.text("seclabel"));
    const auto name = reader.text("name");
    if (!name)
        reader.refuse("name", "'name' is missing: a domain needs a name");
    json["name"] = *name;
    if (const auto uuid = reader.text("uuid")) {
        if (!is_uuid(*uuid))
            reader.refuse("uuid", "'{}' is no UUID; expected one like 6cb1975a-e55d-11f1-9b3c-8eb31e9bf1b3", *uuid);
        json["uuid"] = lower(*uuid);
    } else {
        json["uuid"] = nullptr; // the caller's to make
    }
    set(json, "pool_name", reader.text("pool"));
    set_flag(json, "run_hotplug_scripts", defaults.run_hotplug_scripts);
    set_flag(json, "driver_domain", reader.flag("driver_domain"));
    set_choice(json, "passthrough", reader, "passthrough", passthrough);
    set_flag(json, "xend_suspend_evtchn_compat", reader.flag("xend_suspend_evtchn_compat"));
    return json;
}

/// How many vCPUs, and how much memory, with what vnuma= has to say about both.
struct Sizes {
    std::int64_t vcpus = 0;
    std::int64_t max_vcpus = 0;
    std::optional<std::uint64_t> target_kib;
    std::optional<std::uint64_t> max_kib;
};

Sizes sizes_of(const Reader& reader, const Machine& machine, const Vnuma& vnuma)
{
    Sizes sizes;
    const auto kib = [&](const char* setting) -> std::optional<std::uint64_t> {
        const auto mib = reader.number(setting);
        return mib ? std::optional(static_cast<std::uint64_t>(*mib) << 10) : std::nullopt;
    };
    sizes.target_kib = kib("memory");
    sizes.max_kib = kib("maxmem");
    sizes.vcpus = reader.number("vcpus").value_or(0);
    if (sizes.vcpus < 0 || sizes.vcpus > most_listed_vcpus)
        reader.refuse("vcpus", "'vcpus' wants a number from 1 to {}", most_listed_vcpus);
    sizes.max_vcpus = static_cast<std::int32_t>(reader.number("maxvcpus").value_or(0));
    if (!vnuma.nodes.empty()) {
        if (sizes.max_vcpus != 0 && sizes.max_vcpus != vnuma.vcpus)
            reader.refuse("vnuma", "'vnuma' has {} vCPUs, 'maxvcpus' is {}", vnuma.vcpus, sizes.max_vcpus);
        if (sizes.max_vcpus == 0 && vnuma.vcpus > machine.cpus)
            reader.refuse("vnuma", "'vnuma' has {} vCPUs and the machine {} processors; expected 'maxvcpus' too",
                          vnuma.vcpus, machine.cpus);
        if (sizes.max_kib && *sizes.max_kib != vnuma.kib)
            reader.refuse("vnuma", "the nodes of 'vnuma' have {} KiB, 'maxmem' is {} KiB", vnuma.kib, *sizes.max_kib);
        sizes.max_vcpus = vnuma.vcpus;
        sizes.max_kib = vnuma.kib;
    }
    if (!sizes.max_kib)
        sizes.max_kib = sizes.target_kib;
    if (sizes.max_vcpus == 0)
        sizes.max_vcpus = sizes.vcpus;
    if (sizes.max_vcpus < sizes.vcpus)
        reader.refuse("maxvcpus", "'maxvcpus' is less than 'vcpus'; expected at least as many");
    return sizes;
}

/// One list for all vCPUs, or one each.
std::vector<CpuSet> affinity_of(const Reader& reader, const char* setting, const Machine& machine, std::int64_t vcpus)
{
    std::vector<CpuSet> sets;
    const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(vcpus, 0));
    const auto parse = [&](const Position& where, const std::string& text) {
        try {
            return parse_cpu_ranges(text, machine.cpus, machine.nodes);
        } catch (const Failure& error) {
            throw SyntaxError(where, error.what());
        }
    };
    if (reader.is_list(setting)) {
        for (const Reader::Item& item : reader.items(setting))
            if (sets.size() < wanted)
                sets.push_back(parse(item.where, item.text));
    } else if (const auto text = reader.text(setting)) {
        sets.assign(wanted, parse(reader.place(setting), *text));
    }
    return sets;
}

void set_sets(Json& json, const char* field, const std::vector<CpuSet>& sets)
{
    for (const CpuSet& cpus : sets)
        json[field].push_back(members(cpus));
}

void set_processors_and_memory(Json& json, const Reader& reader, const Machine& machine)
{
    static constexpr std::array<std::string_view, 4> tsc_modes{"default", "always_emulate", "native",
                                                               "native_paravirt"};
    const Vnuma vnuma = vnuma_of(reader, machine);
    const Sizes sizes = sizes_of(reader, machine, vnuma);
    if (sizes.max_vcpus != 0)
        json["max_vcpus"] = sizes.max_vcpus;
    for (std::int64_t vcpu = 0; vcpu < sizes.vcpus; ++vcpu)
        json["avail_vcpus"].push_back(vcpu);
    const auto hard = affinity_of(reader, "cpus", machine, sizes.max_vcpus);
    const auto soft = affinity_of(reader, "cpus_soft", machine, sizes.max_vcpus);
    set_sets(json, "vcpu_hard_affinity", hard);
    set_sets(json, "vcpu_soft_affinity", soft);
    if (reader.is_list("cpus") || reader.find("cpus_soft") || vnuma.pinned)
        json["numa_placement"] = "False";
    set_numbered_choice(json, "tsc_mode", reader, "tsc_mode", tsc_modes);
    if (sizes.max_kib)
        json["max_memkb"] = *sizes.max_kib;
    if (sizes.target_kib)
        json["target_memkb"] = *sizes.target_kib;
    static constexpr Field fields[] = {
        {"videoram", "video_memkb", Kind::mib},
        {"shadow_memory", "shadow_memkb", Kind::mib},
        {"rtc_timeoffset", "rtc_timeoffset", Kind::count},
    };
    set_fields(json, reader, fields);
    if (reader.text("init_seclabel"))
        set(json, "exec_ssid_label", reader.text("seclabel"));
    set_flag(json, "localtime", reader.flag("localtime"));
    set_flag(json, "disable_migrate", reader.flag("nomigrate"));
    if (Json policy = cpuid_policy(reader); !policy.empty())
        json["cpuid"] = std::move(policy);
}

void set_grant_limits(Json& json, const Reader& reader, const Defaults& defaults)
{
    const std::pair<const char*, std::optional<std::int64_t>> limits[] = {
        {"max_grant_frames", defaults.max_grant_frames},
        {"max_maptrack_frames", defaults.max_maptrack_frames},
        {"max_grant_version", defaults.max_grant_version},
    };
    for (const auto& [setting, otherwise] : limits) {
        const auto value = reader.bounded(setting, 0, std::numeric_limits<std::int32_t>::max());
        if (value || otherwise)
            json[setting] = value ? *value : *otherwise;
    }
}

void set_device_model(Json& json, const Reader& reader)
{
    if (const auto version = reader.text("device_model_version")) {
        if (*version != "qemu-xen" && *version != "qemu-xen-traditional")
            reader.refuse("device_model_version",
                          "'device_model_version' cannot be '{}'; expected qemu-xen or qemu-xen-traditional", *version);
        json["device_model_version"] = *version == "qemu-xen" ? "qemu_xen" : "qemu_xen_traditional";
    }
    for (const char* list : {"device_model_args", "device_model_args_pv", "device_model_args_hvm"})
        if (reader.find(list) && !reader.is_list(list))
            reader.refuse(list, "'{}' wants a list in [ ]", list);
    static constexpr Field fields[] = {
        {"device_model_stubdomain_override", "device_model_stubdomain", Kind::flag},
        {"stubdomain_memory", "stubdomain_memkb", Kind::mib},
        {"stubdomain_kernel", "stubdomain_kernel", Kind::text},
        {"stubdomain_cmdline", "stubdomain_cmdline", Kind::text},
        {"stubdomain_ramdisk", "stubdomain_ramdisk", Kind::text},
        {"device_model_override", "device_model", Kind::text},
        {"device_model_stubdomain_seclabel", "device_model_ssid_label", Kind::text},
        {"device_model_user", "device_model_user", Kind::text},
        {"device_model_args", "extra", Kind::texts},
        {"device_model_args_pv", "extra_pv", Kind::texts},
        {"device_model_args_hvm", "extra_hvm", Kind::texts},
    };
    set_fields(json, reader, fields);
}

Json scheduling(const Reader& reader)
{
    static constexpr std::pair<const char*, const char*> settings[] = {
        {"cpu_weight", "weight"},   {"cap", "cap"},     {"period", "period"},
        {"extratime", "extratime"}, {"slice", "slice"}, {"latency", "latency"},
    };
    constexpr std::int32_t unset = -1;
    Json json = Json::object();
    for (const auto& [setting, field] : settings)
        if (const auto value = static_cast<std::int32_t>(reader.number(setting).value_or(unset)); value != unset)
            json[field] = value;
    return json;
}

/// The kernel, or the firmware that stands in its place.
std::optional<std::string> kernel_of(const Reader& reader, const std::string& type)
{
    auto kernel = reader.text("kernel");
    if (type == "hvm") {
        if (kernel && kernel->substr(kernel->rfind('/') + 1) == "hvmloader") {
            reader.complain(reader.place("kernel"), "'kernel' is no place for hvmloader; expected 'firmware_override'");
            return std::nullopt;
        }
        return kernel;
    }
    if (const auto firmware = reader.text("firmware")) {
        constexpr std::string_view grub32 = "pvgrub32";
        constexpr std::string_view grub64 = "pvgrub64";
        if (kernel)
            reader.refuse("firmware", "'kernel' is given too; expected either 'kernel' or 'firmware'");
        if (!grub32.starts_with(*firmware) && !grub64.starts_with(*firmware))
            reader.refuse("firmware", "'firmware' cannot be '{}'; expected pvgrub32 or pvgrub64", *firmware);
        return fmt::format("{}/{}.bin", firmware_folder, *firmware);
    }
    if (!kernel && !reader.text("bootloader"))
        reader.refuse("kernel", "'kernel' is missing: expected the path of the guest's kernel");
    return kernel;
}

/// The command line is `cmdline`, or else made of `root` and `extra`.
std::optional<std::string> command_line_of(const Reader& reader)
{
    const auto whole = reader.text("cmdline");
    const auto root = reader.text("root");
    const auto extra = reader.text("extra");
    if (whole && (root || extra))
        reader.complain(reader.find(root ? "root" : "extra")->where,
                        "'cmdline' is given too; expected either 'cmdline', or 'root' and 'extra'");
    if (whole)
        return whole;
    if (root)
        return "root=" + *root + (extra ? " " + *extra : "");
    return extra;
}

void set_boot(Json& json, const Reader& reader, const std::string& type)
{
    static constexpr std::array<std::string_view, 4> timer_modes{"delay_for_missed_ticks", "no_delay_for_missed_ticks",
                                                                 "no_missed_ticks_pending", "one_missed_tick_pending"};
    static constexpr std::array<std::string_view, 2> tees{"none", "optee"};
    set(json, "kernel", kernel_of(reader, type));
    set(json, "cmdline", command_line_of(reader));
    set(json, "ramdisk", reader.text("ramdisk"));
    set(json, "device_tree", reader.text("device_tree"));
    set_flag(json, "acpi", reader.flag("acpi"));
    set(json, "bootloader", reader.text("bootloader"));
    if (reader.find("bootloader_args")) {
        // As one string it is deprecated, and still in use.
        auto words = reader.is_list("bootloader_args") ? reader.texts("bootloader_args")
                                                       : split(*reader.text("bootloader_args"), " \t\n");
        if (!words.empty())
            json["bootloader_args"] = std::move(words);
    }
    if (reader.find("timer_mode") && type == "pv")
        reader.refuse("timer_mode", "'timer_mode' is not for PV guests");
    set_numbered_choice(json, "timer_mode", reader, "timer_mode", timer_modes, FirstName::shown);
    set_flag(json, "nested_hvm", reader.flag("nestedhvm"));
    if (type == "hvm")
        set_flag(json, "apic", reader.flag("apic"));
    set_flag(json, "dm_restrict", reader.flag("dm_restrict"));
    set_choice(json, "tee", reader, "tee", tees);
}

Json pv_part(const Reader& reader, const Json& devices)
{
    Json json = Json::object();
    set_flag(json, "e820_host", devices.contains("pcidevs") ? std::optional(true) : reader.flag("e820_host"));
    return json;
}

Json pvh_part(const Reader& reader)
{
    static constexpr Field fields[] = {
        {"pvshim", "pvshim", Kind::flag},
        {"pvshim_path", "pvshim_path", Kind::text},
        {"pvshim_cmdline", "pvshim_cmdline", Kind::text},
        {"pvshim_extra", "pvshim_extra", Kind::text},
    };
    Json json = Json::object();
    set_fields(json, reader, fields);
    return json;
}

Json arm_part(const Reader& reader)
{
    static constexpr std::array<std::string_view, 3> versions{"DEFAULT", "v2", "v3"};
    static constexpr std::array<std::string_view, 2> uarts{"unknown", "sbsa_uart"};
    Json json = Json::object();
    set_choice(json, "gic_version", reader, "gic_version", versions);
    set_choice(json, "vuart", reader, "vuart", uarts);
    return json;
}

Json build_info(const Reader& reader, const Machine& machine, const Defaults& defaults, const std::string& type,
                const Json& devices)
{
    static constexpr std::array<std::string_view, 4> altp2m_modes{"disabled", "mixed", "external", "limited"};
    Json json = Json::object();
    set_processors_and_memory(json, reader, machine);
    set(json, "blkdev_start", defaults.block_device_start);
    if (Json nodes = vnuma_of(reader, machine).nodes; !nodes.empty())
        json["vnuma_nodes"] = std::move(nodes);
    set_grant_limits(json, reader, defaults);
    set_device_model(json, reader);
    json["sched_params"] = scheduling(reader);
    set_hardware(json, reader);
    set_flag(json, "claim_mode", defaults.claim_mode);
    if (const auto channels = static_cast<std::uint32_t>(reader.number("max_event_channels").value_or(0)))
        json["event_channels"] = channels;
    set_boot(json, reader, type);
    json["type." + type] = type == "pv"    ? pv_part(reader, devices)
                           : type == "pvh" ? pvh_part(reader)
                                           : hvm_part(reader);
    json["arch_arm"] = arm_part(reader);
    json["arch_x86"] = Json::object();
    set_flag(json["arch_x86"], "msr_relaxed", reader.flag("msr_relaxed"));
    set_numbered_choice(json, "altp2m", reader, "altp2m", altp2m_modes);
    if (const auto kib = static_cast<std::int32_t>(reader.number_or_text("vmtrace_buf_kb").value_or(0)))
        json["vmtrace_buf_kb"] = kib;
    set_flag(json, "vpmu", reader.flag("vpmu"));
    return json;
}

void set_actions(Json& json, const Reader& reader)
{
    // What is written, and what it is called in JSON; the first is left out.
    static constexpr std::pair<std::string_view, std::string_view> actions[] = {
        {"destroy", "destroy"},
        {"restart", "restart"},
        {"rename-restart", "restart_rename"},
        {"preserve", "preserve"},
        {"coredump-destroy", "coredump_destroy"},
        {"coredump-restart", "coredump_restart"},
        {"soft-reset", "soft_reset"},
    };
    static constexpr std::pair<const char*, const char*> settings[] = {{"on_poweroff", "destroy"},
                                                                       {"on_reboot", "restart"},
                                                                       {"on_watchdog", "destroy"},
                                                                       {"on_crash", "destroy"},
                                                                       {"on_soft_reset", "soft-reset"}};
    for (const auto& [setting, otherwise] : settings) {
        const std::string text = reader.text(setting).value_or(otherwise);
        const auto found = std::find_if(std::begin(actions), std::end(actions),
                                        [&](const auto& action) { return action.first == text; });
        if (found == std::end(actions))
            reader.refuse(setting,
                          "{}: '{}' is no action; expected destroy, restart, rename-restart, preserve, "
                          "coredump-destroy, coredump-restart or soft-reset",
                          setting, text);
        if (found != std::begin(actions))
            json[setting] = found->second;
    }
}

}

Json describe(const Settings& settings, const std::string& file, const Machine& machine, const Defaults& defaults,
              Complaints& complaints)
{
    const Reader reader(settings, file, complaints);
    const std::string type = type_of(reader);
    Json json{{"c_info", create_info(reader, defaults, type)}};
    const Json devices = describe_devices(reader, defaults, type);
    json["b_info"] = build_info(reader, machine, defaults, type, devices);
    json.update(devices);
    set_actions(json, reader);
    return json;
}

}
