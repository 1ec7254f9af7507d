// Checksum and segmentation work that is left to whoever sends a packet on, seen from both sides: netif names it by
// flags alone, a tap by offsets (virtio_net_hdr). This finds the offsets in a frame, which is the guest's word and may
// hold anything.
#pragma once

#include "hypervisor/base/types.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace xylem::backends::net {

/// What stands before each frame that goes through a tap with IFF_VNET_HDR: struct virtio_net_hdr of the virtio
/// standard, whose own header in Linux is no C++.
struct TapHeader {
    u8 flags;
    u8 gso_type;
    u16 header_bytes; ///< of all headers of a packet to segment
    u16 segment_bytes;
    u16 checksum_start;
    u16 checksum_offset;

    static constexpr u8 needs_checksum = 1;
    static constexpr u8 data_valid = 2;
    static constexpr u8 gso_none = 0;
    static constexpr u8 gso_tcpv4 = 1;
    static constexpr u8 gso_tcpv6 = 4;
    static constexpr u8 gso_ecn = 0x80; ///< added to the others

    u8 segmentation() const { return static_cast<u8>(gso_type & ~gso_ecn); }
};
static_assert(sizeof(TapHeader) == 10);

inline constexpr std::size_t ethernet_header_bytes = 14;

using MacAddress = std::array<u8, 6>;

/// "00:16:3e:00:00:01"; nothing if it is no such address.
std::optional<MacAddress> parse_mac(std::string_view text);
/// Whether a frame, of an Ethernet header at least, says that it comes from `address`.
bool comes_from(std::span<const std::byte> head, const MacAddress& address);

/// Where a TCP or UDP checksum lies in a frame.
struct ChecksumPlace {
    bool ipv6;
    bool tcp;
    std::size_t network;   ///< where the IP header starts
    std::size_t transport; ///< where the TCP or UDP header starts; the sum runs from here to the end
    std::size_t field;     ///< where the checksum is stored
    std::size_t payload;   ///< where the transport header ends
};

/// Looks at the headers, which must lie in the piece of the frame that is given.
/// @return nothing if there is no whole, unfragmented TCP or UDP header in it
std::optional<ChecksumPlace> find_checksum(std::span<const std::byte> head);

/// Stores what a sender with checksum offload leaves in the field: the sum over addresses, protocol and length.
void store_pseudo_header_sum(std::span<std::byte> head, const ChecksumPlace& place, std::size_t frame_bytes);

/// Computes and stores the whole checksum, for a receiver that cannot.
void store_full_checksum(std::span<std::byte> frame, const ChecksumPlace& place);

/// A number that all frames of one flow have, by addresses and ports of TCP and UDP; of other frames by Ethernet's
/// addresses. `frame` has an Ethernet header at least, or is of no flow.
u32 flow_of(std::span<const std::byte> frame);

}
