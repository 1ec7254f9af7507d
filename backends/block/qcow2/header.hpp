// The header of a qcow2 image: what it says, checked. (Format: docs/interop/qcow2.txt of QEMU)
//
// An image may come from anybody. Whatever is inconsistent, or asks for something that is not served, refuses the whole
// image with a sentence; what passes keeps every later computation within 64 bits.
#pragma once

#include "backends/block/disk.hpp"

#include <span>
#include <string>

namespace xylem::backends::block::qcow2 {

/// Bytes from the start of an image that parse_header() may need: the largest cluster.
inline constexpr std::size_t largest_cluster = 2 << 20;
/// No byte of an image lies at or above this: the format's pointers have 56 bits.
inline constexpr u64 offset_limit = u64{1} << 56;

enum class Compression { zlib, zstd };

struct Header {
    u32 version = 3;
    u32 cluster_bits = 16;
    u64 disk_bytes = 0;
    u64 l1_offset = 0;
    u32 l1_entries = 0;
    u64 refcount_table_offset = 0;
    u32 refcount_table_clusters = 0;
    u32 refcount_bits = 16; ///< of one entry: 1 to 64, a power of two
    u64 autoclear = 0;      ///< features that a writer who does not know them must clear
    Compression compression = Compression::zlib;
    std::string backing; ///< a path; empty if there is none
    std::string backing_format;

    u64 cluster_bytes() const { return u64{1} << cluster_bits; }
    u64 cluster_of(u64 offset) const { return offset >> cluster_bits; }
    u64 within_cluster(u64 offset) const { return offset & (cluster_bytes() - 1); }
    u64 whole_clusters(u64 bytes) const { return (bytes + cluster_bytes() - 1) >> cluster_bits; }
    u64 l2_entries() const { return cluster_bytes() / 8; }
};

// Where the fields that are changed lie.
inline constexpr u64 refcount_table_field = 48; ///< offset, then clusters, in 12 bytes
inline constexpr u64 autoclear_field = 88;

u32 big_endian_32(std::span<const std::byte> bytes, std::size_t offset);
u64 big_endian_64(std::span<const std::byte> bytes, std::size_t offset);
void store_big_endian_32(std::span<std::byte> bytes, std::size_t offset, u32 value);
void store_big_endian_64(std::span<std::byte> bytes, std::size_t offset, u64 value);

/// Reads the header from the image's first bytes: its first cluster, or the whole file if that is shorter.
/// @throws std::runtime_error  what is wrong, to follow the image's name
Header parse_header(std::span<const std::byte> start, Access access);

}
