// See vif_spec.hpp.
#include "tools/xl/config/vif_spec.hpp"

#include <charconv>
#include <limits>
#include <map>
#include <set>

namespace xylem::xl::config {

namespace {

std::optional<std::uint64_t> whole_number(std::string_view text)
{
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// A number with one of `units` behind it, times what that unit stands for.
std::optional<std::uint64_t> with_unit(std::string_view text, const std::map<std::string_view, std::uint64_t>& units)
{
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = whole_number(text.substr(0, digits));
    const auto unit = units.find(text.substr(digits));
    if (!number || unit == units.end() || *number > std::numeric_limits<std::uint64_t>::max() / unit->second)
        return std::nullopt;
    return *number * unit->second;
}

class VifParser {
public:
    VifSpec parse(std::string_view spec);

private:
    void parameter(const Parameter& p);
    std::uint32_t number(const Parameter& p, std::uint64_t least, std::uint64_t most);

    VifSpec vif_;
    std::set<std::string_view> seen_;
};

std::uint32_t VifParser::number(const Parameter& p, std::uint64_t least, std::uint64_t most)
{
    const auto value = whole_number(p.value);
    if (!value || *value < least || *value > most)
        throw SpecError(p.offset,
                        fmt::format("'{}' is no {}; expected a number from {} to {}", p.value, p.key, least, most));
    return static_cast<std::uint32_t>(*value);
}

void VifParser::parameter(const Parameter& p)
{
    static const std::map<std::string_view, std::string VifSpec::*> texts{
        {"bridge", &VifSpec::bridge},          {"gatewaydev", &VifSpec::gateway_device},
        {"netdev", &VifSpec::gateway_device},  {"vifname", &VifSpec::name},
        {"script", &VifSpec::script},          {"ip", &VifSpec::ip},
        {"backend", &VifSpec::backend_domain},
    };
    if (!p.has_value && (p.key == "trusted" || p.key == "untrusted")) {
        vif_.trusted = p.key == "trusted";
        return;
    }
    if (!p.has_value)
        throw SpecError(p.offset, fmt::format("expected KEY=VALUE, found '{}'", p.key));
    if (!seen_.insert(p.key).second)
        throw SpecError(p.offset, fmt::format("the interface's {} is given twice", p.key));
    if (const auto text = texts.find(p.key); text != texts.end()) {
        vif_.*text->second = p.value;
    } else if (p.key == "mac") {
        vif_.mac = parse_mac(p.value);
        if (!vif_.mac)
            throw SpecError(p.offset,
                            fmt::format("'{}' is no MAC address; expected six bytes like 00:16:3e:00:00:01", p.value));
        if ((*vif_.mac)[0] & 1) // Linux's frontend, for one, never brings up such an interface
            throw SpecError(p.offset, fmt::format("'{}' is the address of a group; expected that of one interface, its "
                                                  "first byte even",
                                                  p.value));
    } else if (p.key == "rate") {
        vif_.rate = parse_rate(p.value);
        if (!vif_.rate)
            throw SpecError(p.offset, fmt::format("'{}' is no rate; expected one like 10Mb/s or 1MB/s@20ms", p.value));
    } else if (p.key == "devid") {
        vif_.devid = number(p, 0, 65535);
    } else if (p.key == "mtu") {
        vif_.mtu = number(p, 68, 65535);
    } else if (p.key == "type") {
        if (p.value != "vif")
            throw SpecError(p.offset,
                            fmt::format("the interface type '{}' is for HVM guests; a PV guest's is 'vif'", p.value));
        vif_.type = p.value;
    } else if (p.key == "model") {
        throw SpecError(p.offset, "'model' is for HVM guests; a PV guest has no emulated card");
    } else {
        throw SpecError(p.offset,
                        fmt::format("unknown interface parameter '{}'; expected mac, bridge, vifname, script, ip, "
                                    "backend, rate, devid, mtu, gatewaydev, type, trusted or untrusted",
                                    p.key));
    }
}

VifSpec VifParser::parse(std::string_view spec)
{
    ParameterReader reader(spec);
    while (reader.more()) {
        const Parameter p = reader.next();
        if (p.has_value || !p.key.empty())
            parameter(p);
    }
    return vif_;
}

}

std::optional<MacAddress> parse_mac(std::string_view text)
{
    constexpr std::size_t length = 17;
    MacAddress mac{};
    if (text.size() != length)
        return std::nullopt;
    for (std::size_t i = 0; i < mac.size(); ++i) {
        const char* from = text.data() + i * 3;
        const auto [end, error] = std::from_chars(from, from + 2, mac[i], 16);
        if (error != std::errc() || end != from + 2 || (i + 1 < mac.size() && from[2] != ':'))
            return std::nullopt;
    }
    return mac;
}

std::string text_of(const MacAddress& mac)
{
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

std::optional<Rate> parse_rate(std::string_view text)
{
    static const std::map<std::string_view, std::uint64_t> bits{
        {"GB/s", 8'000'000'000}, {"MB/s", 8'000'000}, {"KB/s", 8'000}, {"B/s", 8},
        {"Gb/s", 1'000'000'000}, {"Mb/s", 1'000'000}, {"Kb/s", 1'000}, {"b/s", 1},
    };
    static const std::map<std::string_view, std::uint64_t> intervals{
        {"us", 1}, {"ms", 1'000}, {"s", 1'000'000}, {"", 1'000'000}};
    constexpr std::uint64_t default_interval = 50'000;
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();

    const std::size_t at = std::min(text.find('@'), text.size());
    const auto rate = with_unit(text.substr(0, at), bits);
    const auto interval = at == text.size() ? default_interval : with_unit(text.substr(at + 1), intervals);
    if (!rate || !interval || *rate == 0 || *interval == 0 || *interval > most)
        return std::nullopt;
    const std::uint64_t bytes_per_second = *rate / 8;
    const auto bytes = static_cast<__uint128_t>(bytes_per_second) * *interval / 1'000'000;
    if (static_cast<__uint128_t>(bytes_per_second) * *interval > std::numeric_limits<std::uint64_t>::max())
        return std::nullopt;
    return Rate{static_cast<std::uint64_t>(bytes), static_cast<std::uint32_t>(*interval)};
}

VifSpec parse_vif_spec(std::string_view spec)
{
    return VifParser().parse(spec);
}

}
