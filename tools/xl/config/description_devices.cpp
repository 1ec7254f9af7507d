// The devices of a configuration: disks, interfaces, channels, and all that Xylem only knows by name.
#include "tools/xl/config/cpu_ranges.hpp"
#include "tools/xl/config/description_parts.hpp"
#include "tools/xl/config/disk_spec.hpp"
#include "tools/xl/config/vif_spec.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

namespace xylem::xl::config {

namespace {

using Item = Reader::Item;

[[noreturn]] void refuse(const Item& item, const std::string& what)
{
    throw SyntaxError(item.where, what);
}

unsigned long unsigned_number(const std::string& text, int base = 0)
{
    return std::strtoul(text.c_str(), nullptr, base);
}

void set_number(Json& json, const char* field, std::int64_t value)
{
    if (value != 0)
        json[field] = value;
}

// Disks.

Json disk(const Item& item)
{
    try {
        return to_json(read_disk_spec(item.text));
    } catch (const SpecError& error) {
        Position where = item.where;
        where.column += static_cast<unsigned>(error.offset) + 1; // behind the quote
        throw SyntaxError(where, error.what());
    }
}

// Interfaces. The keys of COLO, which keeps two guests in step, are long and many: they are fields as they stand.

constexpr std::string_view colo_fields[] = {
    "colo_sock_mirror_id",
    "colo_sock_mirror_ip",
    "colo_sock_mirror_port",
    "colo_sock_compare_pri_in_id",
    "colo_sock_compare_pri_in_ip",
    "colo_sock_compare_pri_in_port",
    "colo_sock_compare_sec_in_id",
    "colo_sock_compare_sec_in_ip",
    "colo_sock_compare_sec_in_port",
    "colo_sock_compare_notify_id",
    "colo_sock_compare_notify_ip",
    "colo_sock_compare_notify_port",
    "colo_sock_redirector0_id",
    "colo_sock_redirector0_ip",
    "colo_sock_redirector0_port",
    "colo_sock_redirector1_id",
    "colo_sock_redirector1_ip",
    "colo_sock_redirector1_port",
    "colo_sock_redirector2_id",
    "colo_sock_redirector2_ip",
    "colo_sock_redirector2_port",
    "colo_filter_mirror_queue",
    "colo_filter_mirror_outdev",
    "colo_filter_redirector0_queue",
    "colo_filter_redirector0_indev",
    "colo_filter_redirector0_outdev",
    "colo_filter_redirector1_queue",
    "colo_filter_redirector1_indev",
    "colo_filter_redirector1_outdev",
    "colo_compare_pri_in",
    "colo_compare_sec_in",
    "colo_compare_out",
    "colo_compare_notify_dev",
    "colo_sock_sec_redirector0_id",
    "colo_sock_sec_redirector0_ip",
    "colo_sock_sec_redirector0_port",
    "colo_sock_sec_redirector1_id",
    "colo_sock_sec_redirector1_ip",
    "colo_sock_sec_redirector1_port",
    "colo_filter_sec_redirector0_queue",
    "colo_filter_sec_redirector0_indev",
    "colo_filter_sec_redirector0_outdev",
    "colo_filter_sec_redirector1_queue",
    "colo_filter_sec_redirector1_indev",
    "colo_filter_sec_redirector1_outdev",
    "colo_filter_sec_rewriter0_queue",
    "colo_checkpoint_host",
    "colo_checkpoint_port",
};

/// The fields that are texts, in the order in which they print, between those that are not.
constexpr std::pair<std::string_view, std::string_view> texts_before_type[] = {
    {"ip", "ip"}, {"bridge", "bridge"}, {"vifname", "ifname"}, {"script", "script"}};

/// A spec's parameters, the last of each key.
using Parameters = std::map<std::string, std::string>;

bool is_vif_key(std::string_view key)
{
    static const std::set<std::string_view> known{
        "type",    "mac",   "bridge", "netdev", "gatewaydev", "ip",  "script",     "backend",
        "vifname", "model", "rate",   "accel",  "devid",      "mtu", "forwarddev", "backendtype"};
    return known.contains(key) ||
           std::find(std::begin(colo_fields), std::end(colo_fields), key) != std::end(colo_fields);
}

/// Six bytes with any one character between them, as xl takes them; of a wrong one, those before the mistake.
struct LooseMac {
    MacAddress bytes{};
    bool whole = false;
};

LooseMac loose_mac(const std::string& text)
{
    LooseMac mac;
    const char* at = text.c_str();
    for (std::uint8_t& byte : mac.bytes) {
        char* end = nullptr;
        const unsigned long value = std::strtoul(at, &end, 16);
        if (end == at || value > 255)
            return mac;
        byte = static_cast<std::uint8_t>(value);
        at = *end == '\0' ? end : end + 1;
    }
    mac.whole = true;
    return mac;
}

Parameters vif_parameters(const Reader& reader, const Item& item)
{
    Parameters parameters;
    for (const std::string& word : words_of(item.text)) {
        const auto pair = key_and_value(word);
        if (word == "trusted" || word == "untrusted")
            parameters["trusted"] = word == "trusted" ? "True" : "False";
        else if (word == "mac-filter" || word == "no-mac-filter")
            parameters["mac-filter"] = word == "mac-filter" ? "True" : "False";
        else if (!pair || !is_vif_key(pair->first))
            reader.complain(item.where, fmt::format("unknown interface parameter '{}'", word));
        else if (pair->first == "type" && pair->second != "vif" && pair->second != "ioemu")
            reader.complain(item.where, fmt::format("there is no interface type '{}'", pair->second));
        else {
            if (pair->first == "backendtype" && pair->second != "xylem" && pair->second != "linux")
                reader.complain(item.where, fmt::format("there is no interface backendtype '{}'", pair->second));
            if (pair->first == "mac" && !loose_mac(pair->second).whole)
                reader.complain(item.where, fmt::format("'{}' is no MAC address", pair->second));
            parameters[pair->first == "netdev" ? "gatewaydev" : pair->first] = pair->second;
        }
    }
    return parameters;
}

std::uint64_t whole_number(const Item& item, const char* key, const std::string& text)
{
    char* end = nullptr;
    const unsigned long value = std::strtoul(text.c_str(), &end, 10);
    if (end == text.c_str())
        refuse(item, fmt::format("'{}' is no {}; expected a number", text, key));
    return value;
}

Json vif(const Reader& reader, const Defaults& defaults, const Item& item, std::size_t index)
{
    Parameters given = vif_parameters(reader, item);
    const std::pair<const char*, const std::optional<std::string>&> otherwise[] = {
        {"bridge", defaults.vif_bridge},
        {"script", defaults.vif_script},
        {"gatewaydev", defaults.vif_gateway_device},
        {"backend", defaults.vif_backend},
        {"backendtype", defaults.vif_backend_type},
    };
    for (const auto& [key, value] : otherwise)
        if (value)
            given.try_emplace(key, *value);
    Json json = Json::object();
    const auto copy = [&](std::string_view key, std::string_view field) {
        if (const auto found = given.find(std::string(key)); found != given.end())
            json[std::string(field)] = found->second;
    };
    copy("backend", "backend_domname");
    json["devid"] = given.contains("devid") ? static_cast<std::int32_t>(whole_number(item, "devid", given["devid"]))
                                            : static_cast<std::int32_t>(index);
    if (given.contains("mtu"))
        set_number(json, "mtu", static_cast<std::int32_t>(whole_number(item, "mtu", given["mtu"])));
    copy("model", "model");
    if (const MacAddress mac = loose_mac(given["mac"]).bytes; mac != MacAddress{})
        json["mac"] = text_of(mac);
    for (const auto& [key, field] : texts_before_type)
        copy(key, field);
    if (given.contains("type"))
        json["nictype"] = given["type"] == "vif" ? "vif" : "vif_ioemu";
    if (given.contains("rate")) {
        const auto rate = parse_rate(given["rate"]);
        if (!rate)
            refuse(item, fmt::format("'{}' is no rate; expected one like 10Mb/s or 1MB/s@20ms", given["rate"]));
        set_number(json, "rate_bytes_per_interval", static_cast<std::int64_t>(rate->bytes_per_interval));
        json["rate_interval_usecs"] = rate->interval_microseconds;
    }
    copy("gatewaydev", "gatewaydev");
    copy("forwarddev", "coloft_forwarddev");
    for (std::string_view field : colo_fields)
        copy(field, field);
    copy("trusted", "trusted");
    copy("mac-filter", "mac_filter");
    copy("backendtype", "backend_type");
    return json;
}

// Framebuffers and their keyboards.

/// One framebuffer of vfb=: what it has for VNC and SDL. What follows a word without '=' is lost.
Json framebuffer(const Item& item, std::size_t index)
{
    Parameters given;
    for (const std::string& word : words_of(item.text)) {
        const auto pair = key_and_value(word);
        if (!pair)
            break;
        given[pair->first] = pair->second;
    }
    const auto flag = [&](Json& json, const char* key, const char* field) {
        if (given.contains(key))
            set_flag(json, field, leading_number(given[key]) != 0);
    };
    const auto text = [&](Json& json, const char* key, const char* field) {
        if (given.contains(key))
            json[field] = given[key];
    };
    Json json{{"devid", index}, {"vnc", Json::object()}, {"sdl", Json::object()}};
    flag(json["vnc"], "vnc", "enable");
    text(json["vnc"], "vnclisten", "listen");
    text(json["vnc"], "vncpasswd", "passwd");
    set_number(json["vnc"], "display", leading_number(given["vncdisplay"]));
    flag(json["vnc"], "vncunused", "findunused");
    flag(json["sdl"], "sdl", "enable");
    flag(json["sdl"], "opengl", "opengl");
    text(json["sdl"], "display", "display");
    text(json["sdl"], "xauthority", "xauthority");
    text(json, "keymap", "keymap");
    return json;
}

/// A PV guest's from the settings vnc=1 and so on.
Json framebuffer_of_settings(const Reader& reader)
{
    Json json{{"devid", 0}, {"vnc", vnc_part(reader)}, {"sdl", sdl_part(reader)}};
    set(json, "keymap", reader.text("keymap"));
    return json;
}

Json keyboard(const Item& item, std::size_t index)
{
    static constexpr std::array<std::string_view, 3> backends{"unknown", "qemu", "linux"};
    static constexpr std::pair<const char*, const char*> switches[] = {
        {"feature-disable-keyboard", "feature_disable_keyboard"},
        {"feature-disable-pointer", "feature_disable_pointer"},
        {"feature-abs-pointer", "feature_abs_pointer"},
        {"feature-raw-pointer", "feature_raw_pointer"},
        {"feature-multi-touch", "feature_multi_touch"},
    };
    static constexpr std::pair<const char*, const char*> numbers[] = {
        {"width", "width"},
        {"height", "height"},
        {"multi-touch-width", "multi_touch_width"},
        {"multi-touch-height", "multi_touch_height"},
        {"multi-touch-num-contacts", "multi_touch_num_contacts"},
    };
    static const std::set<std::string_view> others{"backend", "backend-type", "unique-id"};
    const auto among = [](const auto& list, const std::string& key) {
        return std::any_of(std::begin(list), std::end(list), [&](const auto& entry) { return key == entry.first; });
    };
    Parameters given;
    for (const std::string& word : words_of(item.text)) {
        const auto pair = key_and_value(word);
        if (!pair || !(others.contains(pair->first) || among(switches, pair->first) || among(numbers, pair->first)))
            refuse(item, fmt::format("unknown keyboard parameter '{}'", word));
        given[pair->first] = pair->second;
    }
    const auto type = index_of(backends, given["backend-type"]);
    if (!type || *type == 0)
        refuse(item, "the keyboard has no backend-type; expected qemu or linux");
    const bool sized = std::any_of(std::begin(numbers) + 2, std::end(numbers),
                                   [&](const auto& entry) { return unsigned_number(given[entry.first]) != 0; });
    if (sized)
        given["feature-multi-touch"] = "1";
    else if (unsigned_number(given["feature-multi-touch"]) != 0)
        refuse(item, "the keyboard's feature-multi-touch wants multi-touch-width, -height and -num-contacts");
    Json json = Json::object();
    if (given.contains("backend"))
        json["backend_domname"] = given["backend"];
    json["devid"] = index;
    json["backend_type"] = backends[*type];
    if (given.contains("unique-id"))
        json["unique_id"] = given["unique-id"];
    for (const auto& [key, field] : switches)
        if (unsigned_number(given[key]) != 0)
            json[field] = true;
    for (const auto& [key, field] : numbers)
        set_number(json, field, static_cast<std::uint32_t>(unsigned_number(given[key])));
    return json;
}

// PCI devices.

struct PciDefaults {
    bool msitranslate;
    bool power_mgmt;
    bool permissive;
    bool seize;
};

struct PciDevice {
    unsigned domain = 0;
    unsigned bus = 0;
    unsigned device = 0;
    unsigned function = 0;
    unsigned functions = 0; ///< a mask
};

/// "[DDDD:]BB:DD.F" or "...*" off the front of `text`.
std::optional<PciDevice> take_pci_address(std::string& text)
{
    constexpr unsigned all_functions = 0xFFFFFFFF;
    const auto colons = std::count(text.begin(),
                                   text.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                      text.find_first_not_of("0123456789abcdefABCDEF:"), text.size())),
                                   ':');
    PciDevice pci;
    int used = 0;
    const char* at = text.c_str();
    const bool read = colons == 1   ? std::sscanf(at, "%x:%x.%n", &pci.bus, &pci.device, &used) == 2
                      : colons == 2 ? std::sscanf(at, "%x:%x:%x.%n", &pci.domain, &pci.bus, &pci.device, &used) == 3
                                    : false;
    if (!read || used == 0 || pci.domain > 0xFFFF || pci.bus > 0xFF || pci.device > 0x1F)
        return std::nullopt;
    at += used;
    if (*at == '*') {
        pci.functions = all_functions;
        ++at;
    } else {
        if (std::sscanf(at, "%x%n", &pci.function, &used) != 1 || pci.function > 7)
            return std::nullopt;
        pci.functions = 1;
        at += used;
    }
    text.erase(0, static_cast<std::size_t>(at - text.c_str()));
    return pci;
}

std::optional<std::uint32_t> virtual_slot(std::string text)
{
    unsigned slot = 0;
    if (std::sscanf(text.c_str(), "%x", &slot) != 1 || slot > 0x1F)
        return std::nullopt;
    return slot << 3;
}

Json pci(const Item& item, const PciDefaults& defaults, const std::string& type)
{
    [[maybe_unused]] static constexpr const char* example = "0000:03:00.0";
    const auto nonsense = [&] {
        refuse(item, fmt::format("'{}' is no PCI device; expected one like {}", item.text, example));
    };
    std::string rest = item.text;
    std::optional<PciDevice> device = take_pci_address(rest);
    std::optional<std::uint32_t> slot = 0;
    if (device && rest.starts_with('@')) {
        const std::size_t end = std::min(rest.find(','), rest.size());
        slot = virtual_slot(rest.substr(1, end - 1));
        rest.erase(0, end);
    }
    if (device && !rest.empty() && !rest.starts_with(','))
        nonsense();
    std::map<std::string, bool> flags{{"msitranslate", defaults.msitranslate},
                                      {"power_mgmt", defaults.power_mgmt},
                                      {"permissive", defaults.permissive},
                                      {"seize", defaults.seize}};
    std::optional<std::string> name;
    std::string policy = type == "hvm" ? "" : "strict";
    rest.erase(0, device && rest.starts_with(',') ? 1 : 0);
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(','), rest.size());
        const auto pair = key_and_value(rest.substr(0, end));
        rest.erase(0, std::min(end + 1, rest.size()));
        if (!pair)
            nonsense();
        std::string value = pair->second;
        if (pair->first == "bdf") {
            device = take_pci_address(value);
            if (!device)
                nonsense();
        } else if (pair->first == "vslot") {
            slot = virtual_slot(value);
        } else if (flags.contains(pair->first)) {
            flags[pair->first] = leading_number(value) != 0;
        } else if (pair->first == "rdm_policy" && (value == "strict" || value == "relaxed")) {
            policy = value;
        } else if (pair->first == "name") {
            name = value;
        } else {
            refuse(item, fmt::format("unknown PCI parameter '{}={}'", pair->first, pair->second));
        }
    }
    if (!slot || device.has_value() == name.has_value())
        nonsense();
    const PciDevice found = device.value_or(PciDevice());
    Json json = Json::object();
    set_number(json, "func", found.function);
    set_number(json, "dev", found.device);
    set_number(json, "bus", found.bus);
    set_number(json, "domain", found.domain);
    set_number(json, "vdevfn", *slot);
    set_number(json, "vfunc_mask", found.functions);
    for (const char* flag : {"msitranslate", "power_mgmt", "permissive", "seize"})
        if (flags[flag])
            json[flag] = true;
    if (!policy.empty())
        json["rdm_policy"] = policy;
    set(json, "name", name);
    return json;
}

// The rest: nothing here serves them.

/// A spec of known keys only. What follows a word without '=' is lost.
Parameters known_parameters(const Item& item, const char* kind, std::initializer_list<std::string_view> known)
{
    Parameters given;
    for (const std::string& word : words_of(item.text)) {
        const auto pair = key_and_value(word);
        if (!pair)
            break;
        if (std::find(known.begin(), known.end(), pair->first) == known.end())
            refuse(item, fmt::format("unknown {} parameter '{}'", kind, pair->first));
        given[pair->first] = pair->second;
    }
    return given;
}

Json vtpm(const Item& item, std::size_t index)
{
    Parameters given = known_parameters(item, "vtpm", {"backend", "uuid"});
    if (!given.contains("backend"))
        refuse(item, "the vtpm has no backend");
    if (given.contains("uuid") && !is_uuid(given["uuid"]))
        refuse(item, fmt::format("'{}' is no UUID", given["uuid"]));
    Json json{{"backend_domname", given["backend"]}, {"devid", index}};
    if (given.contains("uuid"))
        json["uuid"] = lower(given["uuid"]);
    return json;
}

Json shared_folder(const Item& item, Parameters& carried)
{
    for (auto& [key, value] : known_parameters(item, "9pfs", {"security_model", "path", "tag", "backend"}))
        carried[key] = value;
    for (const char* key : {"tag", "path", "security_model"})
        if (!carried.contains(key))
            refuse(item, fmt::format("the 9pfs folder has no {}", key));
    Json json = Json::object();
    if (carried.contains("backend"))
        json["backend_domname"] = carried["backend"];
    for (const char* key : {"tag", "path", "security_model"})
        json[key] = carried[key];
    return json;
}

Json pvcalls(const Item& item, std::size_t index)
{
    Parameters given = known_parameters(item, "pvcalls", {"backend"});
    Json json = Json::object();
    if (given.contains("backend"))
        json["backend_domname"] = given["backend"];
    json["devid"] = index;
    return json;
}

Json display(const Reader& reader, const Item& item, std::size_t index)
{
    std::optional<std::string> backend;
    bool alloc = false;
    Json connectors = Json::array();
    for (const std::string& word : words_of(item.text)) {
        const auto pair = key_and_value(word);
        if (pair && pair->first == "backend") {
            backend = pair->second;
        } else if (pair && pair->first == "be-alloc") {
            alloc = unsigned_number(pair->second) != 0;
        } else if (pair && pair->first == "connectors") {
            connectors = Json::array();
            for (const std::string& connector : split(pair->second, ";")) {
                const auto parts = split(connector, ":");
                unsigned width = 0;
                unsigned height = 0;
                const int read = parts.size() < 2 ? 1 : std::sscanf(parts[1].c_str(), "%ux%u", &width, &height);
                if (read == 0)
                    reader.complain(item.where, fmt::format("'{}' has no size", connector));
                else if (read != 2)
                    refuse(item, fmt::format("'{}' is no connector; expected one like 0:800x600", connector));
                Json entry{{"unique_id", parts[0]}};
                set_number(entry, "width", width);
                set_number(entry, "height", height);
                connectors.push_back(std::move(entry));
            }
        } else {
            refuse(item, fmt::format("unknown display parameter '{}'", word));
        }
    }
    if (connectors.empty())
        refuse(item, "the display has no connectors; expected one at least");
    Json json = Json::object();
    set(json, "backend_domname", backend);
    json["devid"] = index;
    if (alloc)
        json["be_alloc"] = true;
    json["connectors"] = std::move(connectors);
    return json;
}

Json channel(const Reader& reader, const Item& item, std::size_t index)
{
    Parameters given;
    for (const std::string& word : split(item.text, ",")) {
        const auto parts = split(word, "=");
        if (parts.size() < 2)
            refuse(item, fmt::format("'{}' is no channel parameter; expected KEY=VALUE", word));
        const std::string key = trimmed(parts[0]);
        if (key != "backend" && key != "name" && key != "path" && key != "connection")
            reader.complain(item.where, fmt::format("unknown channel parameter '{}'", key));
        given[key] = trimmed(parts[1]);
    }
    const std::string connection = given["connection"];
    if (connection != "pty" && connection != "socket")
        refuse(item, fmt::format("the channel's connection cannot be '{}'; expected pty or socket", connection));
    if (connection == "socket" && !given.contains("path"))
        refuse(item, "a channel on a socket wants a path");
    Json json = Json::object();
    if (given.contains("backend"))
        json["backend_domname"] = given["backend"];
    json["devid"] = index;
    if (given.contains("name"))
        json["name"] = given["name"];
    json["connection." + connection] = Json::object();
    if (connection == "socket")
        json["connection.socket"]["path"] = given["path"];
    return json;
}

Json usb_controller(const Item& item, std::size_t index)
{
    static constexpr std::array<std::string_view, 4> types{"auto", "pv", "devicemodel", "qusb"};
    Json json = Json::object();
    int version = 0;
    int ports = 0;
    std::size_t type = 0;
    for (const std::string& word : words_of(item.text)) {
        const auto pair = key_and_value(word).value_or(std::pair(word, std::string()));
        if (pair.first == "type" && index_of(types, pair.second))
            type = *index_of(types, pair.second);
        else if (pair.first == "version" && word.size() > pair.first.size())
            version = leading_number(pair.second);
        else if (pair.first == "ports" && word.size() > pair.first.size())
            ports = leading_number(pair.second);
        else
            refuse(item, fmt::format("'{}' is not understood; expected type=, version= or ports=", word));
    }
    if (type != 0)
        json["type"] = types[type];
    json["devid"] = index;
    set_number(json, "version", version);
    set_number(json, "ports", ports);
    return json;
}

Json usb_device(const Item& item)
{
    constexpr int no_controller = -1;
    bool typed = false;
    int controller = no_controller;
    int port = 0;
    Json host = Json::object();
    std::uint8_t bus = 0;
    std::uint8_t address = 0;
    for (const std::string& word : words_of(item.text)) {
        const auto pair = key_and_value(word).value_or(std::pair(word, std::string()));
        if (pair.first == "hostbus")
            bus = static_cast<std::uint8_t>(unsigned_number(pair.second));
        else if (pair.first == "hostaddr")
            address = static_cast<std::uint8_t>(unsigned_number(pair.second));
        else if (pair.first == "controller")
            controller = leading_number(pair.second);
        else if (pair.first == "port")
            port = leading_number(pair.second);
        else if (pair.first == "type" && lower(pair.second) == "hostdev")
            typed = true;
        else
            refuse(item, fmt::format("'{}' is not understood; expected type=hostdev, hostbus=, hostaddr=, controller= "
                                     "or port=",
                                     word));
    }
    Json json = Json::object();
    if (controller != no_controller)
        json["ctrl"] = controller;
    set_number(json, "port", port);
    set_number(host, "hostbus", bus);
    set_number(host, "hostaddr", address);
    if (typed)
        json["type.hostdev"] = std::move(host);
    return json;
}

/// What one entry of a list of specifications becomes.
template <typename Describe>
void set_list(Json& json, const char* field, const Reader& reader, const char* setting, Describe one)
{
    std::size_t index = 0;
    for (const Item& item : reader.items(setting))
        json[field].push_back(one(item, index++));
}

void set_framebuffers(Json& json, const Reader& reader, const std::string& type)
{
    set_list(json, "vfbs", reader, "vfb", framebuffer);
    std::size_t keyboards = json.contains("vfbs") ? json["vfbs"].size() : 0;
    if (keyboards == 0 && type == "pv" && reader.number("vnc").value_or(0) != 0) {
        json["vfbs"].push_back(framebuffer_of_settings(reader));
        keyboards = 1;
    }
    for (std::size_t i = 0; i < keyboards; ++i)
        json["vkbs"].push_back({{"devid", i}});
    for (const Item& item : reader.items("vkb"))
        json["vkbs"].push_back(keyboard(item, keyboards++));
}

}

Json describe_devices(const Reader& reader, const Defaults& defaults, const std::string& type)
{
    Json json = Json::object();
    set_list(json, "disks", reader, "disk", [](const Item& item, std::size_t) { return disk(item); });
    set_list(json, "nics", reader, "vif",
             [&](const Item& item, std::size_t index) { return vif(reader, defaults, item, index); });
    const PciDefaults pci_defaults{
        reader.flag("pci_msitranslate").value_or(false), reader.flag("pci_power_mgmt").value_or(false),
        reader.flag("pci_permissive").value_or(false), reader.flag("pci_seize").value_or(false)};
    set_list(json, "pcidevs", reader, "pci",
             [&](const Item& item, std::size_t) { return pci(item, pci_defaults, type); });
    set_list(json, "dtdevs", reader, "dtdev", [](const Item& item, std::size_t) { return Json{{"path", item.text}}; });
    set_framebuffers(json, reader, type);
    set_list(json, "vtpms", reader, "vtpm", vtpm);
    Parameters carried;
    set_list(json, "p9s", reader, "p9", [&](const Item& item, std::size_t) { return shared_folder(item, carried); });
    set_list(json, "pvcallsifs", reader, "pvcalls", pvcalls);
    set_list(json, "vdispls", reader, "vdispl",
             [&](const Item& item, std::size_t index) { return display(reader, item, index); });
    if (Json cards = describe_sound(reader); !cards.empty())
        json["vsnds"] = std::move(cards);
    set_list(json, "channels", reader, "channel",
             [&](const Item& item, std::size_t index) { return channel(reader, item, index); });
    set_list(json, "usbctrls", reader, "usbctrl", usb_controller);
    set_list(json, "usbdevs", reader, "usbdev", [](const Item& item, std::size_t) { return usb_device(item); });
    return json;
}

}
