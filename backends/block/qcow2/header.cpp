// See header.hpp.
#include "backends/block/qcow2/header.hpp"

#include <bit>
#include <cstring>
#include <fmt/format.h>
#include <stdexcept>

namespace xylem::backends::block::qcow2 {

static constexpr u32 magic = 0x514649fb; // "QFI\xfb"
static constexpr std::size_t v2_header_bytes = 72;
static constexpr std::size_t v3_header_bytes = 104;
static constexpr u32 backing_format_extension = 0xe2792aca;
static constexpr u32 longest_name = 1023;
// As QEMU limits them.
static constexpr u64 largest_l1_bytes = 32 << 20;
static constexpr u64 largest_refcount_table_bytes = 8 << 20;

// Incompatible features.
static constexpr u64 dirty = 1 << 0;
static constexpr u64 corrupt = 1 << 1;
static constexpr u64 external_data = 1 << 2;
static constexpr u64 compression_type = 1 << 3;
static constexpr u64 extended_l2 = 1 << 4;

u32 big_endian_32(std::span<const std::byte> bytes, std::size_t offset)
{
    u32 value;
    std::memcpy(&value, bytes.subspan(offset, sizeof value).data(), sizeof value);
    return __builtin_bswap32(value);
}

u64 big_endian_64(std::span<const std::byte> bytes, std::size_t offset)
{
    u64 value;
    std::memcpy(&value, bytes.subspan(offset, sizeof value).data(), sizeof value);
    return __builtin_bswap64(value);
}

void store_big_endian_32(std::span<std::byte> bytes, std::size_t offset, u32 value)
{
    value = __builtin_bswap32(value);
    std::memcpy(bytes.subspan(offset, sizeof value).data(), &value, sizeof value);
}

void store_big_endian_64(std::span<std::byte> bytes, std::size_t offset, u64 value)
{
    value = __builtin_bswap64(value);
    std::memcpy(bytes.subspan(offset, sizeof value).data(), &value, sizeof value);
}

static void require(bool holds, const char* otherwise)
{
    if (!holds)
        throw std::runtime_error(otherwise);
}

static std::string text_at(std::span<const std::byte> bytes, u64 offset, u32 length)
{
    return std::string(reinterpret_cast<const char*>(bytes.subspan(offset, length).data()), length);
}

static void check_features(u64 incompatible, Access access)
{
    require(!(incompatible & corrupt), "is marked as corrupt; repair it with qemu-img check -r all");
    require(!(incompatible & dirty) || access == Access::read_only,
            "was not closed properly by its last user; repair it with qemu-img check -r leaks");
    require(!(incompatible & external_data), "keeps its data in another file, which is not served; qemu-img convert "
                                             "makes an image without that");
    require(!(incompatible & extended_l2), "has extended L2 entries (subclusters), which are not served; qemu-img "
                                           "convert makes an image without them");
    const u64 unknown = incompatible & ~(dirty | corrupt | external_data | compression_type | extended_l2);
    if (unknown != 0)
        throw std::runtime_error(fmt::format("needs the feature of bit {}, which is not known here; qemu-img convert "
                                             "makes an image without it",
                                             std::countr_zero(unknown)));
}

/// Version 2 ends before these fields, and has one value for each.
static std::size_t parse_v3_fields(std::span<const std::byte> start, Access access, Header& header)
{
    require(start.size() >= v3_header_bytes, "is cut short within its header");
    const u64 incompatible = big_endian_64(start, 72);
    check_features(incompatible, access);
    header.autoclear = big_endian_64(start, autoclear_field);
    const u32 refcount_order = big_endian_32(start, 96);
    require(refcount_order <= 6, "has reference counts of an impossible size");
    header.refcount_bits = 1u << refcount_order;
    const u32 length = big_endian_32(start, 100);
    require(length >= v3_header_bytes && length % 8 == 0 && length <= header.cluster_bytes(),
            "has a header of an impossible length");
    const bool names_compression = incompatible & compression_type;
    require(!names_compression || (length > v3_header_bytes && start.size() > v3_header_bytes),
            "has a header that ends before the compression that it needs");
    const u8 type = names_compression ? static_cast<u8>(start[v3_header_bytes]) : u8{0};
    require(type <= 1, "has data compressed in a way that is not known here");
    header.compression = type == 1 ? Compression::zstd : Compression::zlib;
    return length;
}

/// @return the format that the image names for its backing file
static std::string parse_extensions(std::span<const std::byte> start, u64 at, u64 end)
{
    end = std::min<u64>(end, start.size());
    while (at + 8 <= end) {
        const u32 type = big_endian_32(start, at);
        const u64 length = big_endian_32(start, at + 4);
        if (type == 0)
            break;
        require(length <= end - at - 8, "has a header extension that is longer than the header");
        if (type == backing_format_extension)
            return text_at(start, at + 8, static_cast<u32>(length));
        at += 8 + (length + 7) / 8 * 8;
    }
    return "";
}

static void check_tables(const Header& header)
{
    const u64 cluster = header.cluster_bytes();
    require(header.disk_bytes > 0 && header.disk_bytes % 512 == 0 && header.disk_bytes < u64{1} << 62,
            "has an impossible size");
    const u64 bytes_of_an_l1_entry = cluster * header.l2_entries();
    const u64 needed = (header.disk_bytes + bytes_of_an_l1_entry - 1) / bytes_of_an_l1_entry;
    require(header.l1_entries * u64{8} <= largest_l1_bytes && needed <= header.l1_entries,
            "has an L1 table that does not fit its size");
    require(header.l1_offset % cluster == 0 && header.l1_offset > 0 &&
                header.l1_offset < offset_limit - largest_l1_bytes,
            "has its L1 table in an impossible place");
    require(header.refcount_table_clusters > 0 &&
                header.refcount_table_clusters * cluster <= largest_refcount_table_bytes,
            "has a table of reference counts of an impossible size");
    require(header.refcount_table_offset % cluster == 0 && header.refcount_table_offset > 0 &&
                header.refcount_table_offset < offset_limit - largest_refcount_table_bytes,
            "has its table of reference counts in an impossible place");
}

Header parse_header(std::span<const std::byte> start, Access access)
{
    require(start.size() >= v2_header_bytes && big_endian_32(start, 0) == magic, "is no qcow2 image");
    Header header;
    header.version = big_endian_32(start, 4);
    if (header.version != 2 && header.version != 3)
        throw std::runtime_error(fmt::format("is qcow2 of version {}; 2 and 3 are served", header.version));
    header.cluster_bits = big_endian_32(start, 20);
    require(header.cluster_bits >= 9 && header.cluster_bits <= 21, "has clusters of an impossible size");
    const std::size_t header_bytes = header.version == 3 ? parse_v3_fields(start, access, header) : v2_header_bytes;
    require(big_endian_32(start, 32) == 0, "is encrypted, which is not served");
    header.disk_bytes = big_endian_64(start, 24);
    header.l1_entries = big_endian_32(start, 36);
    header.l1_offset = big_endian_64(start, 40);
    header.refcount_table_offset = big_endian_64(start, 48);
    header.refcount_table_clusters = big_endian_32(start, 56);
    check_tables(header);

    const u64 backing_offset = big_endian_64(start, 8);
    const u32 backing_bytes = big_endian_32(start, 16);
    const bool backed = backing_offset != 0 && backing_bytes != 0;
    if (backed) {
        require(backing_bytes <= longest_name && backing_offset >= header_bytes &&
                    backing_offset <= header.cluster_bytes() - std::min<u64>(backing_bytes, header.cluster_bytes()) &&
                    backing_offset + backing_bytes <= start.size(),
                "names its backing file in an impossible place");
        header.backing = text_at(start, backing_offset, backing_bytes);
    }
    header.backing_format = parse_extensions(start, header_bytes, backed ? backing_offset : header.cluster_bytes());
    return header;
}

}
