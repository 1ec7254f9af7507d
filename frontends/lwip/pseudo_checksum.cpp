// See pseudo_checksum.hpp.

#include "frontends/lwip/pseudo_checksum.hpp"

namespace xylem::lwip {
namespace {

constexpr size_t ethernet_bytes = 14, least_ip_bytes = 20;
constexpr u8 tcp = 6, udp = 17;

u32 word_at(const u8* bytes)
{
    return u32{bytes[0]} << 8 | bytes[1];
}

/// Of addresses, protocol and length; folded.
u16 pseudo_sum(const u8* ip, size_t transport_bytes)
{
    u32 sum = ip[9] + static_cast<u32>(transport_bytes);
    for (unsigned i = 12; i < 20; i += 2)
        sum += word_at(ip + i);
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<u16>(sum);
}

}

bool write_pseudo_checksum(std::span<u8> frame)
{
    if (frame.size() < ethernet_bytes + least_ip_bytes || word_at(&frame[12]) != 0x0800)
        return false;
    u8* const ip = &frame[ethernet_bytes];
    const size_t header_bytes = (ip[0] & 15) * 4u, total_bytes = word_at(ip + 2);
    const bool fragment = (word_at(ip + 6) & 0x3fff) != 0;
    if (ip[0] >> 4 != 4 || header_bytes < least_ip_bytes || total_bytes > frame.size() - ethernet_bytes || fragment)
        return false;
    if (ip[9] != tcp && ip[9] != udp)
        return false;
    const size_t place = header_bytes + (ip[9] == tcp ? 16 : 6), least = header_bytes + (ip[9] == tcp ? 20 : 8);
    if (total_bytes < least)
        return false;
    const u16 sum = pseudo_sum(ip, total_bytes - header_bytes);
    ip[place] = static_cast<u8>(sum >> 8);
    ip[place + 1] = static_cast<u8>(sum);
    return true;
}

}
