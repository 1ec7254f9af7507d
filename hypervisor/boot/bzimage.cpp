// The setup header of a bzImage, read with bounds.

#include "hypervisor/boot/bzimage.hpp"

#include "hypervisor/boot/gzip.hpp"
#include "hypervisor/boot/xz.hpp"

namespace xylem::boot {
namespace {

// Offsets in the file.
constexpr size_t setup_sectors_at = 0x1f1, boot_flag_at = 0x1fe, header_magic_at = 0x202, version_at = 0x206,
                 payload_offset_at = 0x248, payload_length_at = 0x24c, header_end = 0x250;
constexpr u32 boot_flag = 0xaa55, header_magic = 0x53726448; // "HdrS"
constexpr u32 first_version_with_payload = 0x0208;
constexpr unsigned sector_bytes = 512, default_setup_sectors = 4;
constexpr size_t size_suffix_bytes = 4;

u32 little_endian(std::span<const u8> bytes, size_t at, unsigned count)
{
    u32 value = 0;
    for (unsigned i = 0; i < count; ++i)
        value |= u32{bytes[at + i]} << (8 * i);
    return value;
}

Packing packing_of(std::span<const u8> payload)
{
    if (is_xz(payload))
        return Packing::Xz;
    if (is_gzip(payload))
        return Packing::Gzip;
    if (payload[0] == 0x7f && payload[1] == 'E')
        return Packing::None;
    return Packing::Other;
}

}

const char* describe(BzImageError error)
{
    switch (error) {
    case BzImageError::None:
        return "no error";
    case BzImageError::NotABzImage:
        return "the file is no bzImage";
    case BzImageError::TooOld:
        return "the bzImage has a boot protocol before 2.08; take a kernel of Linux 2.6.26 or later";
    case BzImageError::Truncated:
        return "the bzImage ends before its payload does; copy the file again";
    }
    return "unknown error";
}

bool is_bzimage(std::span<const u8> image)
{
    return image.size() >= header_end && little_endian(image, boot_flag_at, 2) == boot_flag &&
           little_endian(image, header_magic_at, 4) == header_magic;
}

BzImageError find_payload(std::span<const u8> image, BzImagePayload& out)
{
    if (!is_bzimage(image))
        return BzImageError::NotABzImage;
    if (little_endian(image, version_at, 2) < first_version_with_payload)
        return BzImageError::TooOld;
    size_t setup_sectors = image[setup_sectors_at] != 0 ? image[setup_sectors_at] : default_setup_sectors;
    // The boot sector itself is not among the setup sectors.
    size_t offset = (setup_sectors + 1) * sector_bytes + little_endian(image, payload_offset_at, 4);
    size_t length = little_endian(image, payload_length_at, 4);
    if (offset > image.size() || length > image.size() - offset || length < 2 * size_suffix_bytes)
        return BzImageError::Truncated;
    out.bytes = image.subspan(offset, length);
    out.packing = packing_of(out.bytes);
    // Every packer but "none" is followed by the unpacked size; of gzip it is the format's own last word.
    out.unpacked_size =
        out.packing == Packing::None ? length : little_endian(out.bytes, length - size_suffix_bytes, size_suffix_bytes);
    return BzImageError::None;
}

}
