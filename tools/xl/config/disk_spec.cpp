// See disk_spec.hpp.
#include "tools/xl/config/disk_spec.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

namespace xylem::xl::config {

namespace {

class DiskParser {
public:
    explicit DiskParser(std::string_view spec) : reader_(spec) {}

    DiskSpec parse();
    std::size_t vdev_offset() const { return vdev_offset_; }

private:
    using Setter = void (DiskParser::*)(const Parameter&);

    void old_prefix();
    bool target_by_name();
    void parameter(const Parameter& parameter);
    bool flag(std::string_view name);
    void positional(const Parameter& parameter);
    void once(const Parameter& parameter, const char* name, std::optional<std::string>& text);
    void choose(const Parameter& parameter, const char* name, std::string& chosen,
                std::initializer_list<std::string_view> known);
    bool vdev_with_type(const Parameter& parameter);
    void finish();

    void set_format(const Parameter& p);
    void set_access(const Parameter& p);
    void set_devtype(const Parameter& p);
    void set_colo_port(const Parameter& p);
    void set_max_iops(const Parameter& p);
    void set_max_rate(const Parameter& p);

    ParameterReader reader_;
    DiskSpec disk_;
    std::optional<std::string> target_;
    std::optional<std::string> vdev_;
    std::optional<std::string> backend_domain_;
    std::optional<std::string> script_;
    std::size_t vdev_offset_ = 0;
    bool has_old_prefix_ = false;
    bool access_by_position_ = false;
};

/// What is given twice is a mistake, unless the first was empty.
void DiskParser::once(const Parameter& parameter, const char* name, std::optional<std::string>& text)
{
    if (text && !text->empty())
        throw SpecError(parameter.offset, fmt::format("the disk's {} is given twice", name));
    text = parameter.value;
    if (&text == &vdev_)
        vdev_offset_ = parameter.offset;
}

void DiskParser::choose(const Parameter& p, const char* name, std::string& chosen,
                        std::initializer_list<std::string_view> known)
{
    if (std::find(known.begin(), known.end(), p.value) == known.end())
        throw SpecError(p.offset, fmt::format("unknown disk {} '{}'; expected {}", name, p.value,
                                              fmt::join(known.begin(), known.end(), ", ")));
    if (!chosen.empty() && chosen != p.value)
        throw SpecError(p.offset, fmt::format("the disk's {} is given twice", name));
    chosen = p.value;
}

/// Most say nothing that the target does not; some name a format or a script.
void DiskParser::old_prefix()
{
    static constexpr std::array<std::string_view, 7> idle{
        "phy:", "file:", "tap:", "tap2:", "aio:", "tapdisk:", "ioemu:"};
    static constexpr std::array<std::string_view, 4> formats{"raw:", "qcow:", "qcow2:", "vhd:"};
    static constexpr std::array<std::string_view, 4> scripts{"iscsi:", "nbd:", "enbd:", "drbd:"};
    const auto take = [&](const auto& prefixes) -> std::string_view {
        for (std::string_view prefix : prefixes)
            if (reader_.rest().starts_with(prefix)) {
                reader_.skip(prefix.size());
                has_old_prefix_ = true;
                return prefix.substr(0, prefix.size() - 1);
            }
        return {};
    };
    for (bool found = true; found;) {
        found = !take(idle).empty();
        const std::size_t at = reader_.offset();
        if (const std::string_view format = take(formats); !format.empty()) {
            set_format({at, "format", format, true});
            found = true;
        }
        if (const std::string_view script = take(scripts); !script.empty()) {
            once({at, "script", {}, true}, "script", script_);
            script_ = fmt::format("block-{}", script);
            found = true;
        }
    }
    const std::string_view rest = reader_.rest();
    const std::size_t word = std::min(rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), rest.size());
    const bool before_a_name = word + 1 < rest.size() && std::isalnum(static_cast<unsigned char>(rest[word + 1])) != 0;
    if (word > 0 && word < rest.size() && rest[word] == ':' && !before_a_name)
        throw SpecError(reader_.offset(), fmt::format("unknown disk prefix '{}'", rest.substr(0, word + 1)));
}

/// An empty format is the usual one.
void DiskParser::set_format(const Parameter& p)
{
    Parameter whole = p;
    if (whole.value.empty())
        whole.value = "raw";
    choose(whole, "format", disk_.format, {"raw", "qcow", "qcow2", "vhd", "qed", "empty"});
}

void DiskParser::set_access(const Parameter& p)
{
    disk_.read_only = p.value == "r" || p.value == "ro";
    if (!disk_.read_only && p.value != "w" && p.value != "rw" && !p.value.empty())
        throw SpecError(p.offset, fmt::format("unknown disk access '{}'; expected r, ro, w or rw", p.value));
}

void DiskParser::set_devtype(const Parameter& p)
{
    if (p.value != "cdrom" && p.value != "disk")
        throw SpecError(p.offset, fmt::format("unknown device type '{}'; expected disk or cdrom", p.value));
    disk_.cdrom = p.value == "cdrom";
}

void DiskParser::set_colo_port(const Parameter& p)
{
    disk_.colo_port = static_cast<int>(std::strtol(std::string(p.value).c_str(), nullptr, 10));
    if (disk_.colo_port == 0)
        throw SpecError(p.offset, fmt::format("'{}' is no port; expected a number", p.value));
}

void DiskParser::set_max_iops(const Parameter& p)
{
    constexpr std::uint32_t most = 100'000'000;
    const auto value = whole_number(p.value);
    if (!value || *value == 0 || *value > most)
        throw SpecError(p.offset, fmt::format("'{}' is no max-iops; expected a number from 1 to {}", p.value, most));
    if (disk_.max_iops)
        throw SpecError(p.offset, "the disk's max-iops is given twice");
    disk_.max_iops = static_cast<std::uint32_t>(*value);
}

void DiskParser::set_max_rate(const Parameter& p)
{
    const auto rate = parse_rate(p.value);
    if (!rate || rate->bytes_per_interval == 0)
        throw SpecError(p.offset, fmt::format("'{}' is no max-rate; expected one like 10MB/s", p.value));
    if (disk_.max_rate)
        throw SpecError(p.offset, "the disk's max-rate is given twice");
    disk_.max_rate = rate;
}

bool DiskParser::flag(std::string_view name)
{
    if (name == "cdrom")
        disk_.cdrom = true;
    else if (name == "discard" || name == "no-discard")
        disk_.discard = name == "discard";
    else if (name == "trusted" || name == "untrusted")
        disk_.trusted = name == "trusted";
    else if (name == "colo" || name == "no-colo")
        disk_.colo = name == "colo";
    else if (name == "direct-io-safe")
        disk_.direct_io_safe = true;
    else
        return false;
    return true;
}

/// "VDEV:TYPE", as a position may have it.
bool DiskParser::vdev_with_type(const Parameter& p)
{
    const std::size_t colon = p.value.rfind(':');
    if (colon == std::string_view::npos)
        return false;
    once({p.offset, p.key, p.value.substr(0, colon), true}, "vdev", vdev_);
    set_devtype({p.offset + colon + 1, "devtype", p.value.substr(colon + 1), true});
    return true;
}

/// A bare word fills the first position that is still open: target, format (not after an old prefix), vdev, access.
void DiskParser::positional(const Parameter& bare)
{
    const Parameter p{bare.offset, {}, bare.key, true};
    if (!target_) {
        once(p, "target", target_);
    } else if (!has_old_prefix_ && disk_.format.empty()) {
        if (target_->empty() && vdev_with_type(p))
            disk_.format = "empty";
        else
            set_format(p);
    } else if (!vdev_) {
        if (!vdev_with_type(p))
            once(p, "vdev", vdev_);
    } else if (!access_by_position_) {
        access_by_position_ = true;
        set_access(p);
    } else {
        throw SpecError(p.offset,
                        fmt::format("'{}' is one word too many; target, format, vdev and access are given", p.value));
    }
}

void DiskParser::parameter(const Parameter& p)
{
    static const std::map<std::string_view, Setter> setters{
        {"format", &DiskParser::set_format},     {"access", &DiskParser::set_access},
        {"devtype", &DiskParser::set_devtype},   {"colo-port", &DiskParser::set_colo_port},
        {"max-iops", &DiskParser::set_max_iops}, {"max-rate", &DiskParser::set_max_rate}};
    const std::pair<const char*, std::optional<std::string>&> texts[] = {
        {"vdev", vdev_},
        {"backend", backend_domain_},
        {"script", script_},
        {"colo-host", disk_.colo_host},
        {"colo-export", disk_.colo_export},
        {"active-disk", disk_.active_disk},
        {"hidden-disk", disk_.hidden_disk},
    };
    if (!p.has_value) {
        if (!flag(p.key))
            positional(p);
        return;
    }
    if (const auto setter = setters.find(p.key); setter != setters.end())
        return (this->*setter->second)(p);
    for (const auto& [key, text] : texts)
        if (p.key == key)
            return once(p, key, text);
    if (p.key == "backendtype")
        return choose(p, "backendtype", disk_.backend_type, {"phy", "tap", "qdisk", "standalone"});
    if (p.key == "specification")
        return choose(p, "specification", disk_.specification, {"xen", "virtio"});
    throw SpecError(p.offset, fmt::format("unknown disk parameter '{}'; expected target, format, vdev, access, "
                                          "devtype, backend, backendtype, specification, script, max-iops, max-rate "
                                          "or a flag",
                                          p.key));
}

void DiskParser::finish()
{
    if (disk_.format.empty())
        disk_.format = "raw";
    if (disk_.cdrom) {
        disk_.read_only = true;
        if (target_.value_or("").empty())
            disk_.format = "empty";
    }
    if (!vdev_)
        throw SpecError(0, "the disk has no vdev; expected one, like xvda");
    if (!target_ && !disk_.cdrom)
        throw SpecError(0, "the disk has no target; expected a path");
    disk_.has_target = target_.has_value();
    disk_.target = target_.value_or("");
    disk_.vdev = *vdev_;
    disk_.backend_domain = backend_domain_.value_or("");
    disk_.script = script_.value_or("");
}

/// A target given by name takes the rest, commas and all.
bool DiskParser::target_by_name()
{
    constexpr std::string_view key = "target=";
    const std::size_t blanks = std::min(reader_.rest().find_first_not_of(" \t\n"), reader_.rest().size());
    if (!reader_.rest().substr(blanks).starts_with(key))
        return false;
    reader_.skip(blanks + key.size());
    once({reader_.offset(), "target", reader_.rest(), true}, "target", target_);
    return true;
}

DiskSpec DiskParser::parse()
{
    old_prefix();
    while (reader_.more() && !target_by_name())
        parameter(reader_.next());
    finish();
    return disk_;
}

/// The number at the start of `text`, which is cut off it.
std::optional<std::uint32_t> take_number(std::string_view& text)
{
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc())
        return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

/// A disk as letters: a to z, aa to zz...: 0, 1, ..., 26, ...
std::optional<std::uint32_t> take_letters(std::string_view& text)
{
    std::uint32_t value = 0;
    std::size_t count = 0;
    for (; count < text.size() && text[count] >= 'a' && text[count] <= 'z'; ++count)
        value = value * 26 + static_cast<std::uint32_t>(text[count] - 'a' + 1);
    if (count == 0 || count > 4)
        return std::nullopt;
    text.remove_prefix(count);
    return value - 1;
}

constexpr std::uint32_t most_disks = 1U << 20;

std::optional<std::uint32_t> xvd_number(std::uint32_t disk, std::uint32_t partition)
{
    if (disk < 16 && partition < 16)
        return 202U << 8 | disk << 4 | partition;
    if (disk < most_disks && partition < 256)
        return 1U << 28 | disk << 8 | partition;
    return std::nullopt;
}

std::optional<std::uint32_t> by_kind(std::string_view kind, std::uint32_t disk, std::uint32_t partition)
{
    if (kind == "xvd")
        return xvd_number(disk, partition);
    if (kind == "hd" && disk < 4 && partition < 64)
        return (disk < 2 ? 3U : 22U) << 8 | (disk & 1) << 6 | partition;
    if (kind == "sd" && disk < 16 && partition < 16)
        return 8U << 8 | disk << 4 | partition;
    return std::nullopt;
}

}

std::optional<std::uint32_t> virtual_device_number(std::string_view vdev)
{
    std::string_view rest = vdev;
    if (const auto number = take_number(rest); number && rest.empty())
        return number;
    rest = vdev;
    std::optional<std::uint32_t> disk;
    std::string_view kind = "xvd";
    if (rest.size() > 1 && rest[0] == 'd' && rest[1] >= '0' && rest[1] <= '9') {
        rest.remove_prefix(1);
        disk = take_number(rest);
        if (disk && rest.empty())
            return xvd_number(*disk, 0);
        if (!rest.starts_with('p') || rest.size() == 1)
            return std::nullopt;
        rest.remove_prefix(1);
    } else {
        kind = rest.substr(0, rest.starts_with("xvd") ? 3 : 2);
        rest.remove_prefix(std::min(kind.size(), rest.size()));
        disk = take_letters(rest);
    }
    if (!disk)
        return std::nullopt;
    const std::optional<std::uint32_t> partition = rest.empty() ? 0 : take_number(rest);
    return partition && rest.empty() ? by_kind(kind, *disk, *partition) : std::nullopt;
}

DiskSpec read_disk_spec(std::string_view spec)
{
    return DiskParser(spec).parse();
}

DiskSpec parse_disk_spec(std::string_view spec)
{
    DiskParser parser(spec);
    DiskSpec disk = parser.parse();
    const auto number = virtual_device_number(disk.vdev);
    if (!number)
        throw SpecError(parser.vdev_offset(),
                        fmt::format("'{}' is no virtual device; expected one like xvda, sda1 or hdc", disk.vdev));
    disk.number = *number;
    if (!disk.target.empty() && disk.target[0] != '/')
        disk.target.insert(0, "/dev/");
    if (disk.target.empty() && !disk.cdrom)
        throw SpecError(0, "the disk has no target; expected a path");
    if (disk.specification == "virtio")
        throw SpecError(0, "the specification 'virtio' is not served; 'xen' is");
    if (disk.colo.value_or(false))
        throw SpecError(0, "the flag 'colo' is not served");
    return disk;
}

static void set(Json& json, const char* field, const std::string& text)
{
    if (!text.empty())
        json[field] = text;
}
static void set(Json& json, const char* field, const std::optional<std::string>& text)
{
    if (text)
        json[field] = *text;
}
static void set(Json& json, const char* field, std::optional<bool> flag)
{
    if (flag)
        json[field] = *flag ? "True" : "False";
}

Json to_json(const DiskSpec& disk)
{
    Json json = Json::object();
    set(json, "backend_domname", disk.backend_domain);
    if (disk.has_target)
        json["pdev_path"] = disk.target;
    json["vdev"] = disk.vdev;
    set(json, "backend", disk.backend_type);
    json["format"] = disk.format;
    set(json, "script", disk.script);
    if (disk.cdrom)
        json["removable"] = 1;
    if (!disk.read_only)
        json["readwrite"] = 1;
    if (disk.cdrom)
        json["is_cdrom"] = 1;
    if (disk.direct_io_safe)
        json["direct_io_safe"] = true;
    set(json, "discard_enable", disk.discard);
    set(json, "specification", disk.specification);
    if (disk.max_iops)
        json["max_iops"] = *disk.max_iops;
    if (disk.max_rate) {
        json["max_rate_bytes_per_interval"] = disk.max_rate->bytes_per_interval;
        json["max_rate_interval_usecs"] = disk.max_rate->interval_microseconds;
    }
    set(json, "colo_enable", disk.colo);
    set(json, "colo_host", disk.colo_host);
    if (disk.colo_port != 0)
        json["colo_port"] = disk.colo_port;
    set(json, "colo_export", disk.colo_export);
    set(json, "active_disk", disk.active_disk);
    set(json, "hidden_disk", disk.hidden_disk);
    set(json, "trusted", disk.trusted);
    return json;
}

}
