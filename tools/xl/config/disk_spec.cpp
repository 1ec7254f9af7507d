// See disk_spec.hpp.
#include "tools/xl/config/disk_spec.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

namespace xylem::xl::config {

namespace {

class DiskParser {
public:
    explicit DiskParser(std::string_view spec) : reader_(spec) {}

    DiskSpec parse();

private:
    using Setter = void (DiskParser::*)(const Parameter&);

    void old_prefix();
    void parameter(const Parameter& parameter);
    bool flag(std::string_view name);
    void positional(const Parameter& parameter);
    void once(const Parameter& parameter, std::string_view name);
    bool is_set(std::string_view name) const { return seen_.contains(name); }
    void finish();

    void set_target(const Parameter& p);
    void set_format(const Parameter& p);
    void set_vdev(const Parameter& p);
    void set_access(const Parameter& p);
    void set_devtype(const Parameter& p);
    void set_backend_type(const Parameter& p);
    void set_specification(const Parameter& p);

    ParameterReader reader_;
    DiskSpec disk_;
    std::set<std::string_view> seen_;
    std::size_t vdev_offset_ = 0;
    bool has_old_prefix_ = false;
    bool access_given_ = false;
};

void DiskParser::once(const Parameter& parameter, std::string_view name)
{
    if (!seen_.insert(name).second)
        throw SpecError(parameter.offset, fmt::format("the disk's {} is given twice", name));
}

/// "phy:" and its like say nothing that the target does not.
void DiskParser::old_prefix()
{
    static constexpr std::array<std::string_view, 7> idle{
        "phy:", "file:", "tap:", "tap2:", "aio:", "tapdisk:", "ioemu:"};
    static constexpr std::array<std::string_view, 4> formats{"raw:", "qcow:", "qcow2:", "vhd:"};
    for (bool found = true; found;) {
        found = false;
        for (std::string_view prefix : idle)
            if (reader_.rest().starts_with(prefix)) {
                reader_.skip(prefix.size());
                found = has_old_prefix_ = true;
            }
        for (std::string_view prefix : formats)
            if (reader_.rest().starts_with(prefix)) {
                disk_.format = prefix.substr(0, prefix.size() - 1);
                reader_.skip(prefix.size());
                found = has_old_prefix_ = true;
            }
    }
}

void DiskParser::set_target(const Parameter& p)
{
    once(p, "target");
    disk_.target = p.value;
}

void DiskParser::set_format(const Parameter& p)
{
    static const std::set<std::string_view> known{"raw", "qcow", "qcow2", "vhd", "qed", "empty"};
    once(p, "format");
    if (p.value.empty())
        return;
    if (!known.contains(p.value))
        throw SpecError(p.offset,
                        fmt::format("unknown disk format '{}'; expected raw, qcow, qcow2, vhd or qed", p.value));
    disk_.format = p.value;
}

void DiskParser::set_vdev(const Parameter& p)
{
    once(p, "vdev");
    vdev_offset_ = p.offset;
    disk_.vdev = p.value;
    const std::size_t colon = p.value.find(':');
    if (colon == std::string_view::npos)
        return;
    disk_.vdev = p.value.substr(0, colon);
    set_devtype({p.offset + colon, "devtype", p.value.substr(colon + 1), true});
}

void DiskParser::set_access(const Parameter& p)
{
    once(p, "access");
    if (p.value.empty())
        return;
    access_given_ = true;
    if (p.value == "r" || p.value == "ro")
        disk_.read_only = true;
    else if (p.value != "w" && p.value != "rw")
        throw SpecError(p.offset, fmt::format("unknown disk access '{}'; expected r, ro, w or rw", p.value));
}

void DiskParser::set_devtype(const Parameter& p)
{
    if (p.value != "cdrom" && p.value != "disk")
        throw SpecError(p.offset, fmt::format("unknown device type '{}'; expected disk or cdrom", p.value));
    disk_.cdrom = p.value == "cdrom";
}

void DiskParser::set_backend_type(const Parameter& p)
{
    static const std::set<std::string_view> known{"phy", "tap", "qdisk", "standalone"};
    once(p, "backendtype");
    if (!known.contains(p.value))
        throw SpecError(p.offset, fmt::format("unknown backendtype '{}'; expected phy or qdisk", p.value));
    disk_.backend_type = p.value;
}

void DiskParser::set_specification(const Parameter& p)
{
    once(p, "specification");
    if (p.value != "xen")
        throw SpecError(p.offset, fmt::format("the specification '{}' is not served; 'xen' is", p.value));
}

bool DiskParser::flag(std::string_view name)
{
    if (name == "cdrom")
        disk_.cdrom = true;
    else if (name == "discard" || name == "no-discard")
        disk_.discard = name == "discard";
    else if (name == "trusted" || name == "untrusted")
        disk_.trusted = name == "trusted";
    else if (name == "direct-io-safe")
        disk_.direct_io_safe = true;
    else
        return false;
    return true;
}

/// A bare word fills the first position that is still open: target, format (not after an old prefix), vdev, access.
void DiskParser::positional(const Parameter& bare)
{
    const Parameter p{bare.offset, {}, bare.key, true};
    if (!is_set("target"))
        set_target(p);
    else if (!has_old_prefix_ && !is_set("format"))
        set_format(p);
    else if (!is_set("vdev"))
        set_vdev(p);
    else if (!is_set("access"))
        set_access(p);
    else
        throw SpecError(p.offset,
                        fmt::format("'{}' is one word too many; target, format, vdev and access are given", p.value));
}

void DiskParser::parameter(const Parameter& p)
{
    static const std::map<std::string_view, Setter> setters{
        {"format", &DiskParser::set_format},
        {"vdev", &DiskParser::set_vdev},
        {"access", &DiskParser::set_access},
        {"devtype", &DiskParser::set_devtype},
        {"backendtype", &DiskParser::set_backend_type},
        {"specification", &DiskParser::set_specification},
    };
    if (!p.has_value) {
        if (!flag(p.key))
            positional(p);
    } else if (const auto setter = setters.find(p.key); setter != setters.end()) {
        (this->*setter->second)(p);
    } else if (p.key == "backend") {
        once(p, "backend");
        disk_.backend_domain = p.value;
    } else if (p.key == "script") {
        once(p, "script");
        disk_.script = p.value;
    } else {
        throw SpecError(p.offset,
                        fmt::format("unknown disk parameter '{}'; expected target, format, vdev, access, devtype, "
                                    "backend, backendtype, script or a flag",
                                    p.key));
    }
}

void DiskParser::finish()
{
    if (disk_.vdev.empty())
        throw SpecError(vdev_offset_, "the disk has no vdev; expected one, like xvda");
    const auto number = virtual_device_number(disk_.vdev);
    if (!number)
        throw SpecError(vdev_offset_,
                        fmt::format("'{}' is no virtual device; expected one like xvda, sda1 or hdc", disk_.vdev));
    disk_.number = *number;
    if (disk_.cdrom && !access_given_)
        disk_.read_only = true;
    if (!disk_.target.empty() && disk_.target[0] != '/')
        disk_.target.insert(0, "/dev/");
    if (disk_.target.empty() && !disk_.cdrom)
        throw SpecError(0, "the disk has no target; expected a path");
}

DiskSpec DiskParser::parse()
{
    old_prefix();
    while (reader_.more()) {
        // A target given by name takes the rest, commas and all; it may follow an empty one given by position.
        constexpr std::string_view key = "target=";
        const std::size_t blanks = std::min(reader_.rest().find_first_not_of(" \t\n"), reader_.rest().size());
        if (reader_.rest().substr(blanks).starts_with(key)) {
            reader_.skip(blanks + key.size());
            if (disk_.target.empty())
                seen_.erase("target");
            set_target({reader_.offset(), "target", reader_.rest(), true});
            break;
        }
        parameter(reader_.next());
    }
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

DiskSpec parse_disk_spec(std::string_view spec)
{
    return DiskParser(spec).parse();
}

}
