// See packet.hpp.
#include "backends/net/packet.hpp"

#include <charconv>
#include <cstring>

namespace xylem::backends::net {

namespace {

constexpr u16 ethertype_ipv4 = 0x0800;
constexpr u16 ethertype_ipv6 = 0x86dd;
constexpr u16 ethertype_vlan = 0x8100;
constexpr u16 ethertype_service_vlan = 0x88a8;
constexpr u8 protocol_tcp = 6;
constexpr u8 protocol_udp = 17;
constexpr std::size_t ipv6_header_bytes = 40;
constexpr int max_ipv6_extensions = 8;
constexpr int max_vlan_tags = 2;

u8 byte_at(std::span<const std::byte> frame, std::size_t offset)
{
    return static_cast<u8>(frame[offset]);
}

u16 big_endian_at(std::span<const std::byte> frame, std::size_t offset)
{
    return static_cast<u16>(byte_at(frame, offset) << 8 | byte_at(frame, offset + 1));
}

struct Transport {
    u8 protocol;
    std::size_t offset;
};

std::optional<Transport> after_ipv4(std::span<const std::byte> frame, std::size_t start)
{
    if (frame.size() < start + 20)
        return std::nullopt;
    const std::size_t header = (byte_at(frame, start) & 0xfu) * 4;
    const bool fragment = (big_endian_at(frame, start + 6) & 0x3fff) != 0;
    if (header < 20 || fragment)
        return std::nullopt;
    return Transport{byte_at(frame, start + 9), start + header};
}

std::optional<Transport> after_ipv6(std::span<const std::byte> frame, std::size_t start)
{
    if (frame.size() < start + ipv6_header_bytes)
        return std::nullopt;
    u8 next = byte_at(frame, start + 6);
    std::size_t offset = start + ipv6_header_bytes;
    for (int i = 0; i < max_ipv6_extensions; ++i) {
        const bool extension = next == 0 || next == 43 || next == 60; // hop-by-hop, routing, destination options
        if (!extension)
            return Transport{next, offset};
        if (frame.size() < offset + 8)
            return std::nullopt;
        next = byte_at(frame, offset);
        offset += (byte_at(frame, offset + 1) + 1u) * 8;
    }
    return std::nullopt;
}

/// The 16-bit ones' complement sum, not folded.
u64 sum(std::span<const std::byte> bytes)
{
    u64 total = 0;
    std::size_t i = 0;
    for (; i + 1 < bytes.size(); i += 2)
        total += big_endian_at(bytes, i);
    if (i < bytes.size())
        total += static_cast<u64>(byte_at(bytes, i)) << 8;
    return total;
}

u16 fold(u64 total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return static_cast<u16>(total);
}

void store(std::span<std::byte> frame, std::size_t offset, u16 value)
{
    frame[offset] = static_cast<std::byte>(value >> 8);
    frame[offset + 1] = static_cast<std::byte>(value);
}

u64 pseudo_header_sum(std::span<const std::byte> head, const ChecksumPlace& place, std::size_t frame_bytes)
{
    const auto addresses = place.ipv6 ? head.subspan(place.network + 8, 32) : head.subspan(place.network + 12, 8);
    return sum(addresses) + (place.tcp ? protocol_tcp : protocol_udp) + (frame_bytes - place.transport);
}

}

std::optional<MacAddress> parse_mac(std::string_view text)
{
    MacAddress mac{};
    if (text.size() != mac.size() * 3 - 1)
        return std::nullopt;
    for (std::size_t i = 0; i < mac.size(); ++i) {
        const char* from = text.data() + i * 3;
        const auto [end, error] = std::from_chars(from, from + 2, mac[i], 16);
        if (error != std::errc() || end != from + 2 || (i + 1 < mac.size() && from[2] != ':'))
            return std::nullopt;
    }
    return mac;
}

bool comes_from(std::span<const std::byte> head, const MacAddress& address)
{
    return std::memcmp(head.data() + address.size(), address.data(), address.size()) == 0;
}

std::optional<ChecksumPlace> find_checksum(std::span<const std::byte> head)
{
    if (head.size() < ethernet_header_bytes)
        return std::nullopt;
    std::size_t network = ethernet_header_bytes;
    u16 type = big_endian_at(head, network - 2);
    for (int tag = 0; tag < max_vlan_tags && (type == ethertype_vlan || type == ethertype_service_vlan); ++tag) {
        network += 4;
        if (head.size() < network)
            return std::nullopt;
        type = big_endian_at(head, network - 2);
    }
    std::optional<Transport> transport;
    if (type == ethertype_ipv4)
        transport = after_ipv4(head, network);
    else if (type == ethertype_ipv6)
        transport = after_ipv6(head, network);
    if (!transport || (transport->protocol != protocol_tcp && transport->protocol != protocol_udp))
        return std::nullopt;

    const bool tcp = transport->protocol == protocol_tcp;
    if (head.size() < transport->offset + (tcp ? 20 : 8))
        return std::nullopt;
    const std::size_t header = tcp ? (byte_at(head, transport->offset + 12) >> 4) * 4u : 8;
    if ((tcp && header < 20) || head.size() < transport->offset + header)
        return std::nullopt;
    return ChecksumPlace{type == ethertype_ipv6,    tcp, network, transport->offset, transport->offset + (tcp ? 16 : 6),
                         transport->offset + header};
}

void store_pseudo_header_sum(std::span<std::byte> head, const ChecksumPlace& place, std::size_t frame_bytes)
{
    store(head, place.field, fold(pseudo_header_sum(head, place, frame_bytes)));
}

void store_full_checksum(std::span<std::byte> frame, const ChecksumPlace& place)
{
    store(frame, place.field, 0);
    const u16 checksum =
        static_cast<u16>(~fold(pseudo_header_sum(frame, place, frame.size()) + sum(frame.subspan(place.transport))));
    store(frame, place.field, !place.tcp && checksum == 0 ? 0xffff : checksum); // UDP: 0 would mean "none"
}

u32 flow_of(std::span<const std::byte> frame)
{
    u32 flow = 2166136261u; // FNV-1a: quick on a few bytes, and every bit of them counts
    const auto mix = [&flow](std::span<const std::byte> bytes) {
        for (const std::byte each : bytes)
            flow = (flow ^ static_cast<u8>(each)) * 16777619u;
    };
    if (frame.size() < ethernet_header_bytes)
        return 0;
    if (const auto place = find_checksum(frame)) {
        mix(place->ipv6 ? frame.subspan(place->network + 8, 32) : frame.subspan(place->network + 12, 8));
        mix(frame.subspan(place->transport, 4));
    } else {
        mix(frame.first(12));
    }
    return flow ^ flow >> 16; // its low bits are the weakest
}

}
