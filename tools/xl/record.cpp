// See record.hpp.
#include "tools/xl/record.hpp"

#include "tools/xl/failure.hpp"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace xylem::xl {

namespace {

/// libxl's names for the same files.
std::filesystem::path record_path(DomId domain, const std::string& uuid, const char* kind = "libxl-json")
{
    return fmt::format("/var/lib/xen/userdata-d.{}.{}.{}", domain.value, uuid, kind);
}

constexpr const char* source_kind = "xl";

void save(const std::filesystem::path& path, const std::string& text)
{
    std::filesystem::create_directories(path.parent_path());
    std::ofstream file(path, std::ios::trunc);
    file << text;
    file.close();
    if (!file)
        fail("cannot write {}", path.string());
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}

Json to_json(const config::DomainConfig& config)
{
    Json json = *config.description;
    json["c_info"]["name"] = config.name;
    json["c_info"]["uuid"] = config.uuid;
    for (std::size_t i = 0; i < config.vifs.size(); ++i) {
        const config::VifSpec& vif = config.vifs[i];
        Json& nic = json["nics"][i];
        if (vif.devid)
            nic["devid"] = *vif.devid;
        if (vif.mac)
            nic["mac"] = config::text_of(*vif.mac);
        if (!vif.bridge.empty())
            nic["bridge"] = vif.bridge;
    }
    return json;
}

void save_record(DomId domain, const std::string& uuid, const Json& json)
{
    save(record_path(domain, uuid), pretty(json));
}

void save_source(DomId domain, const std::string& uuid, const std::string& text)
{
    save(record_path(domain, uuid, source_kind), text);
}

std::optional<std::string> load_source(DomId domain, const std::string& uuid)
{
    std::ifstream file(record_path(domain, uuid, source_kind));
    if (!file)
        return std::nullopt;
    return std::string(std::istreambuf_iterator<char>(file), {});
}

Json load_record(DomId domain, const std::string& uuid)
{
    std::ifstream file(record_path(domain, uuid));
    Json json = file ? Json::parse(file, nullptr, false) : Json();
    return json.is_discarded() ? Json() : json;
}

void remove_record(DomId domain, const std::string& uuid)
{
    std::error_code ignored; // it may never have been written
    std::filesystem::remove(record_path(domain, uuid), ignored);
    std::filesystem::remove(record_path(domain, uuid, source_kind), ignored);
}

void move_record(DomId domain, const std::string& old_uuid, const std::string& name, const std::string& uuid)
{
    if (const auto source = load_source(domain, old_uuid))
        save_source(domain, uuid, *source);
    if (Json record = load_record(domain, old_uuid); !record.is_null()) {
        record["c_info"]["name"] = name;
        record["c_info"]["uuid"] = uuid;
        save_record(domain, uuid, record);
    }
    remove_record(domain, old_uuid);
}

}
