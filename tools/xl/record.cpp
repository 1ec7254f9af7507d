// See record.hpp.
#include "tools/xl/record.hpp"

#include "tools/xl/failure.hpp"

#include <filesystem>
#include <fstream>

namespace xylem::xl {

namespace {

std::filesystem::path record_path(DomId domain, const std::string& uuid)
{
    return fmt::format("/var/lib/xen/userdata-d.{}.{}.libxl-json", domain.value, uuid);
}

Json disk_json(const config::DiskSpec& disk)
{
    Json json{{"pdev_path", disk.target}, {"vdev", disk.vdev}};
    if (!disk.backend_type.empty())
        json["backend"] = disk.backend_type;
    json["format"] = disk.format;
    if (disk.cdrom)
        json["is_cdrom"] = 1;
    if (!disk.read_only)
        json["readwrite"] = 1;
    if (!disk.discard)
        json["discard_enable"] = "False";
    return json;
}

Json vif_json(const config::VifSpec& vif, std::size_t index)
{
    Json json{{"devid", vif.devid.value_or(static_cast<u32>(index))}};
    if (vif.mac)
        json["mac"] = config::text_of(*vif.mac);
    if (!vif.bridge.empty())
        json["bridge"] = vif.bridge;
    if (!vif.ip.empty())
        json["ip"] = vif.ip;
    if (!vif.name.empty())
        json["ifname"] = vif.name;
    if (vif.mtu)
        json["mtu"] = *vif.mtu;
    if (vif.rate) {
        json["rate_bytes_per_interval"] = vif.rate->bytes_per_interval;
        json["rate_interval_usecs"] = vif.rate->interval_microseconds;
    }
    return json;
}

Json build_json(const config::DomainConfig& config)
{
    Json json{{"max_vcpus", config.max_vcpus}, {"avail_vcpus", Json::array()}};
    for (unsigned vcpu = 0; vcpu < config.vcpus; ++vcpu)
        json["avail_vcpus"].push_back(vcpu);
    json["max_memkb"] = config.max_memory_kib;
    json["target_memkb"] = config.memory_kib;
    json["sched_params"] = Json::object();
    if (config.cpu_weight)
        json["sched_params"]["weight"] = *config.cpu_weight;
    if (config.cap)
        json["sched_params"]["cap"] = *config.cap;
    json["claim_mode"] = "True";
    json["kernel"] = config.kernel;
    if (!config.command_line.empty())
        json["cmdline"] = config.command_line;
    if (!config.ramdisk.empty())
        json["ramdisk"] = config.ramdisk;
    for (const char* empty : {"type.pv", "arch_arm", "arch_x86"})
        json[empty] = Json::object();
    return json;
}

std::string action_text(config::ShutdownAction action)
{
    std::string text(name_of(action));
    std::replace(text.begin(), text.end(), '-', '_');
    return text;
}

void append(std::string& out, const Json& json, std::size_t depth)
{
    if (!json.is_structured()) {
        out += json.dump();
        return;
    }
    const bool object = json.is_object();
    const std::string indent(depth * 4, ' ');
    out += object ? "{\n" : "[\n";
    bool first = true;
    for (const auto& [key, value] : json.items()) {
        out += (first ? "" : ",\n") + indent + "    ";
        if (object)
            out += Json(key).dump() + ": ";
        append(out, value, depth + 1);
        first = false;
    }
    out += "\n" + indent + (object ? "}" : "]");
}

}

Json to_json(const config::DomainConfig& config)
{
    Json json;
    json["c_info"] = {{"type", "pv"}, {"name", config.name}, {"uuid", config.uuid}, {"run_hotplug_scripts", "True"}};
    json["b_info"] = build_json(config);
    for (const config::DiskSpec& disk : config.disks)
        json["disks"].push_back(disk_json(disk));
    for (std::size_t i = 0; i < config.vifs.size(); ++i)
        json["nics"].push_back(vif_json(config.vifs[i], i));
    const std::pair<const char*, config::ShutdownAction> actions[] = {{"on_poweroff", config.on_poweroff},
                                                                      {"on_reboot", config.on_reboot},
                                                                      {"on_watchdog", config.on_watchdog},
                                                                      {"on_crash", config.on_crash}};
    for (const auto& [name, action] : actions)
        if (action != config::ShutdownAction::destroy)
            json[name] = action_text(action);
    json["on_soft_reset"] = "soft_reset";
    return json;
}

std::string pretty(const Json& json)
{
    std::string out;
    append(out, json, 0);
    return out + "\n";
}

void save_record(DomId domain, const std::string& uuid, const Json& json)
{
    const std::filesystem::path path = record_path(domain, uuid);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::trunc);
    file << pretty(json);
    file.close();
    if (!file)
        fail("cannot write {}", path.string());
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

std::optional<Json> load_record(DomId domain, const std::string& uuid)
{
    std::ifstream file(record_path(domain, uuid));
    if (!file)
        return std::nullopt;
    Json json = Json::parse(file, nullptr, false);
    return json.is_discarded() ? std::nullopt : std::optional(std::move(json));
}

void remove_record(DomId domain, const std::string& uuid)
{
    std::error_code ignored; // it may never have been written
    std::filesystem::remove(record_path(domain, uuid), ignored);
}

}
