// See vif_spec.hpp.
#include "tools/xl/config/vif_spec.hpp"

#include <charconv>
#include <map>
#include <set>

namespace xylem::xl::config {

namespace {

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
    if (!p.has_value && (p.key == "mac-filter" || p.key == "no-mac-filter")) {
        vif_.mac_filter = p.key == "mac-filter";
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
    } else if (p.key == "backendtype") {
        if (p.value != "xylem" && p.value != "linux")
            throw SpecError(p.offset,
                            fmt::format("'{}' is no backendtype of an interface; expected xylem or linux", p.value));
        vif_.backend_type = p.value;
    } else if (p.key == "model") {
        throw SpecError(p.offset, "'model' is for HVM guests; a PV guest has no emulated card");
    } else {
        throw SpecError(
            p.offset,
            fmt::format("unknown interface parameter '{}'; expected mac, bridge, vifname, script, ip, "
                        "backend, backendtype, rate, devid, mtu, gatewaydev, type, trusted, untrusted or mac-filter",
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

VifSpec parse_vif_spec(std::string_view spec)
{
    return VifParser().parse(spec);
}

}
