// The container around a deflate stream: a header with optional parts, and a trailer with checksum and size.

#include "hypervisor/boot/gzip.hpp"

namespace xylem::boot {
namespace {

constexpr u8 magic[3] = {0x1f, 0x8b, 8}; // 8: deflate
constexpr size_t fixed_header_bytes = 10, trailer_bytes = 8;
constexpr u8 flag_header_crc = 2, flag_extra = 4, flag_name = 8, flag_comment = 16, flags_reserved = 0xe0;

u32 little_endian(std::span<const u8> bytes, size_t at, unsigned count)
{
    u32 value = 0;
    for (unsigned i = 0; i < count; ++i)
        value |= u32{bytes[at + i]} << (8 * i);
    return value;
}

/// Steps over the header. @return where the deflate stream begins; beyond the input's end if the header does not end
size_t header_bytes(std::span<const u8> in)
{
    const u8 flags = in[3];
    size_t at = fixed_header_bytes;
    auto skip_text = [&] {
        while (at < in.size() && in[at] != 0)
            ++at;
        ++at;
    };
    if (flags & flag_extra) {
        if (in.size() - at < 2)
            return in.size() + 1;
        at += 2 + little_endian(in, at, 2);
    }
    if (flags & flag_name)
        skip_text();
    if (flags & flag_comment)
        skip_text();
    return flags & flag_header_crc ? at + 2 : at;
}

}

bool is_gzip(std::span<const u8> in)
{
    return in.size() >= sizeof(magic) && __builtin_memcmp(in.data(), magic, sizeof(magic)) == 0;
}

UnpackResult unpack_gzip(std::span<const u8> in, std::span<u8> out, GzipWorkspace& workspace)
{
    if (!is_gzip(in))
        return {UnpackError::NotThisFormat, 0, 0};
    if (in.size() < fixed_header_bytes)
        return {UnpackError::Truncated, 0, 0};
    if (in[3] & flags_reserved)
        return {UnpackError::Corrupt, 0, 0};
    size_t at = header_bytes(in);
    if (at > in.size())
        return {UnpackError::Truncated, 0, 0};
    UnpackResult data = inflate(in.subspan(at), out, workspace.inflate);
    at += data.input_used;
    if (!data.ok())
        return {data.error, at, data.output_size};
    if (in.size() - at < trailer_bytes)
        return {UnpackError::Truncated, at, data.output_size};
    workspace.crc32.prepare();
    bool right = little_endian(in, at, 4) == workspace.crc32.of(out.first(data.output_size)) &&
                 little_endian(in, at + 4, 4) == static_cast<u32>(data.output_size);
    return {right ? UnpackError::None : UnpackError::Corrupt, at + trailer_bytes, data.output_size};
}

}
