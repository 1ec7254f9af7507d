// See kept.hpp.
#include "tools/xl/monitoring/kept.hpp"

#include "hypervisor/abi/domctl.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/monitoring/table.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace xylem::xl {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_of_a_name = 4;
constexpr std::size_t most_names = 256;

fs::path path_of(const std::string& folder, const std::string& name)
{
    // Names of domains have no such characters; the store might have others.
    if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos)
        fail("'{}' is no name of a domain", name);
    return fs::path(folder) / (name + ".json");
}

/// Makes room for one more name.
void drop_oldest(const std::string& folder)
{
    std::error_code ignored;
    std::vector<std::pair<fs::file_time_type, fs::path>> files;
    for (const auto& file : fs::directory_iterator(folder, ignored))
        files.emplace_back(file.last_write_time(ignored), file.path());
    if (files.size() < most_names)
        return;
    std::ranges::sort(files);
    for (std::size_t i = 0; i <= files.size() - most_names; ++i)
        fs::remove(files[i].second, ignored);
}

void write_whole(const fs::path& path, const std::string& text)
{
    const fs::path fresh = path.string() + ".new";
    std::ofstream file(fresh, std::ios::trunc);
    file << text;
    file.close();
    std::error_code error;
    if (file)
        fs::rename(fresh, path, error);
    if (!file || error)
        fail("cannot write {}", path.string());
}

std::string text_at(const Json& json, const char* key)
{
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// JSON is UTF-8, and a guest's words may be anything.
std::string valid(const std::string& text)
{
    std::string clean = text;
    std::ranges::replace_if(
        clean, [](unsigned char c) { return c >= 0x80; }, '?');
    return clean;
}

template <typename Visit> void each_of(const Json& json, const char* key, Visit visit)
{
    if (const auto found = json.find(key); found != json.end() && found->is_array())
        for (const Json& element : *found)
            visit(element);
}

Json to_json(const InterfaceUse::Direction& direction)
{
    return {{"bytes", direction.bytes},
            {"packets", direction.packets},
            {"errors", direction.errors},
            {"dropped", direction.dropped}};
}

Json to_json(const VcpuUse& vcpu)
{
    Json json{{"vcpu", vcpu.number}, {"online", vcpu.online}, {"cpu_ns", vcpu.cpu_ns}};
    static constexpr const char* names[] = {"running_ns", "runnable_ns", "blocked_ns", "offline_ns"};
    for (unsigned i = 0; vcpu.states && i < 4; ++i)
        json[names[i]] = (*vcpu.states)[i];
    return json;
}

Json to_json(const DiskUse& disk)
{
    Json json{{"vbd", disk.number}};
    if (disk.is_counted)
        json.update({{"waits", disk.waits},
                     {"reads", disk.reads},
                     {"writes", disk.writes},
                     {"sectors_read", disk.sectors_read},
                     {"sectors_written", disk.sectors_written}});
    return json;
}

Json to_json(const DomainUse& domain)
{
    Json json{{"domid", domain.id},
              {"name", valid(domain.name)},
              {"uuid", domain.uuid},
              {"running", domain.is(abi::dominf_running)},
              {"blocked", domain.is(abi::dominf_blocked)},
              {"paused", domain.is(abi::dominf_paused)},
              {"shutdown", domain.is(abi::dominf_shutdown)},
              {"crashed", domain.has_crashed()},
              {"dying", domain.is(abi::dominf_dying)},
              {"cpu_ns", domain.cpu_ns},
              {"memory_kib", domain.memory_bytes >> 10},
              {"max_memory_kib", nullptr},
              {"ssid", domain.ssid}};
    if (domain.max_memory_bytes)
        json["max_memory_kib"] = *domain.max_memory_bytes >> 10;
    json["vcpus"] = Json::array();
    for (const VcpuUse& vcpu : domain.vcpus)
        json["vcpus"].push_back(to_json(vcpu));
    json["interfaces"] = Json::array();
    for (const InterfaceUse& use : domain.interfaces)
        json["interfaces"].push_back(
            Json{{"vif", use.number}, {"rx", to_json(use.received)}, {"tx", to_json(use.sent)}});
    json["disks"] = Json::array();
    for (const DiskUse& disk : domain.disks)
        json["disks"].push_back(to_json(disk));
    return json;
}

}

Json to_json(const Sample& now, const Sample* before)
{
    Json json{{"time", now.time},
              {"version", now.version},
              {"cpus", now.cpus},
              {"cpu_khz", now.cpu_khz},
              {"memory_kib", now.memory_bytes >> 10},
              {"free_memory_kib", now.free_bytes >> 10},
              {"domains", Json::array()}};
    for (const DomainUse& domain : now.domains) {
        Json one = to_json(domain);
        one["cpu_percent"] = before && before->find(domain.id) ? Json(cpu_percent(domain, now, before)) : Json();
        json["domains"].push_back(std::move(one));
    }
    return json;
}

Json to_json(const Account& account)
{
    Json json{{"name", valid(account.name)}, {"domid", account.domain}, {"uuid", account.uuid},
              {"time", account.time},        {"ended", account.ended},  {"verdict", valid(account.verdict)},
              {"followed", account.followed}};
    json["devices"] = Json::array();
    for (const DeviceAccount& device : account.devices)
        json["devices"].push_back(Json{{"name", valid(device.name)},
                                       {"backend", device.backend},
                                       {"frontend", device.frontend},
                                       {"meaning", valid(device.meaning)}});
    json["events"] = Json::array();
    for (const Event& event : account.events)
        json["events"].push_back(Json{{"time", event.time}, {"source", event.source}, {"text", valid(event.text)}});
    return json;
}

Account account_from(const Json& json)
{
    Account account;
    account.name = text_at(json, "name");
    account.uuid = text_at(json, "uuid");
    account.domain = json.value("domid", u16{0});
    account.time = text_at(json, "time");
    account.ended = json.value("ended", true);
    account.verdict = text_at(json, "verdict");
    account.followed = text_at(json, "followed");
    each_of(json, "devices", [&](const Json& device) {
        account.devices.push_back({text_at(device, "name"), text_at(device, "backend"), text_at(device, "frontend"),
                                   text_at(device, "meaning")});
    });
    each_of(json, "events", [&](const Json& event) {
        account.events.push_back({text_at(event, "time"), text_at(event, "source"), text_at(event, "text")});
    });
    return account;
}

std::vector<Account> kept_of(const std::string& folder, const std::string& name)
{
    std::ifstream file(path_of(folder, name));
    const Json json = file ? Json::parse(file, nullptr, false) : Json();
    std::vector<Account> accounts;
    try {
        if (json.is_array())
            for (const Json& one : json)
                accounts.push_back(account_from(one));
    } catch (const Json::exception&) {
        // Somebody else has written there: what was read until then counts.
    }
    return accounts;
}

void keep(const std::string& folder, const Account& account)
{
    const fs::path path = path_of(folder, account.name);
    std::vector<Account> accounts = kept_of(folder, account.name);
    if (!accounts.empty() && accounts.back().uuid == account.uuid && accounts.back().domain == account.domain) {
        std::string& followed = accounts.back().followed;
        followed += (followed.empty() ? "" : "; ") + account.followed;
    } else {
        accounts.push_back(account);
    }
    if (accounts.size() > most_of_a_name)
        accounts.erase(accounts.begin());
    std::error_code ignored; // the writing tells
    fs::create_directories(folder, ignored);
    if (!fs::exists(path, ignored))
        drop_oldest(folder);
    Json json = Json::array();
    for (const Account& one : accounts)
        json.push_back(to_json(one));
    write_whole(path, pretty(json));
}

}
