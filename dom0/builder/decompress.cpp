// See decompress.hpp. Each unpacker fills a buffer of known size, so that a forged stream can cost no more memory than
// its header admitted to.
#include "dom0/builder/decompress.hpp"

#include "dom0/builder/error.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <cstring>
#include <lz4.h>
#include <lzma.h>
#include <string>
#include <zlib.h>
#include <zstd.h>

namespace xylem::dom0::builder {

namespace {

constexpr std::size_t lz4_legacy_block = 8 << 20; // every block but the last unpacks to this much

const unsigned char* bytes_of(std::span<const std::byte> data)
{
    return reinterpret_cast<const unsigned char*>(data.data());
}

[[noreturn]] void corrupt(Compression compression, const std::string& why)
{
    throw BuildError("its " + std::string(name_of(compression)) + " payload is corrupt (" + why + ")");
}

void unpack_gzip(std::span<const std::byte> packed, std::span<std::byte> out)
{
    if (packed.size() > UINT_MAX || out.size() > UINT_MAX)
        corrupt(Compression::gzip, "it is too large");
    z_stream stream{};
    constexpr int gzip_wrapper = 16 + MAX_WBITS;
    if (inflateInit2(&stream, gzip_wrapper) != Z_OK)
        throw std::bad_alloc();
    stream.next_in = const_cast<unsigned char*>(bytes_of(packed)); // zlib's interface has no const; it only reads
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<unsigned char*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream, Z_FINISH);
    const std::string why = stream.msg ? stream.msg : "it ends early or holds more than it says";
    const bool complete = result == Z_STREAM_END && stream.avail_out == 0;
    inflateEnd(&stream);
    if (!complete)
        corrupt(Compression::gzip, why);
}

void unpack_xz(std::span<const std::byte> packed, std::span<std::byte> out)
{
    lzma_stream stream = LZMA_STREAM_INIT;
    constexpr std::uint64_t memory_limit = std::uint64_t{256} << 20; // the kernel's dictionaries are at most 128 MiB
    if (lzma_stream_decoder(&stream, memory_limit, 0) != LZMA_OK)
        throw std::bad_alloc();
    stream.next_in = bytes_of(packed);
    stream.avail_in = packed.size();
    stream.next_out = reinterpret_cast<unsigned char*>(out.data());
    stream.avail_out = out.size();
    const lzma_ret result = lzma_code(&stream, LZMA_FINISH);
    const bool complete = result == LZMA_STREAM_END && stream.avail_out == 0;
    lzma_end(&stream);
    if (!complete)
        corrupt(Compression::xz, "liblzma's code " + std::to_string(result));
}

void unpack_zstd(std::span<const std::byte> packed, std::span<std::byte> out)
{
    const std::size_t frame = ZSTD_findFrameCompressedSize(packed.data(), packed.size());
    if (ZSTD_isError(frame))
        corrupt(Compression::zstd, ZSTD_getErrorName(frame));
    const std::size_t result = ZSTD_decompress(out.data(), out.size(), packed.data(), frame);
    if (ZSTD_isError(result))
        corrupt(Compression::zstd, ZSTD_getErrorName(result));
    if (result != out.size())
        corrupt(Compression::zstd, "it holds less than it says");
}

std::uint32_t little_endian(std::span<const std::byte> data)
{
    std::uint32_t value = 0;
    std::memcpy(&value, data.data(), sizeof value);
    return value;
}

void unpack_lz4(std::span<const std::byte> packed, std::span<std::byte> out)
{
    std::size_t at = 4; // after the magic
    std::size_t filled = 0;
    while (filled < out.size()) {
        if (packed.size() - at < 4)
            corrupt(Compression::lz4, "it ends early");
        const std::size_t block = little_endian(packed.subspan(at));
        at += 4;
        if (block > packed.size() - at || block > INT_MAX)
            corrupt(Compression::lz4, "a block reaches beyond the end");
        const std::size_t room = std::min(out.size() - filled, lz4_legacy_block);
        const int got = LZ4_decompress_safe(reinterpret_cast<const char*>(packed.data() + at),
                                            reinterpret_cast<char*>(out.data() + filled), static_cast<int>(block),
                                            static_cast<int>(room));
        if (got <= 0)
            corrupt(Compression::lz4, "a block cannot be unpacked");
        at += block;
        filled += static_cast<std::size_t>(got);
    }
}

}

std::optional<Compression> compression_of(std::span<const std::byte> data)
{
    struct Magic {
        Compression compression;
        std::string_view bytes;
    };
    using namespace std::string_view_literals;
    static constexpr std::array magics{
        Magic{Compression::gzip, "\x1f\x8b"sv},
        Magic{Compression::xz, "\xfd\x37zXZ\0"sv},
        Magic{Compression::zstd, "\x28\xb5\x2f\xfd"sv},
        Magic{Compression::lz4, "\x02\x21\x4c\x18"sv},
    };
    const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    for (const Magic& magic : magics)
        if (text.starts_with(magic.bytes))
            return magic.compression;
    return std::nullopt;
}

std::string_view name_of(Compression compression)
{
    switch (compression) {
    case Compression::gzip:
        return "gzip";
    case Compression::xz:
        return "xz";
    case Compression::zstd:
        return "zstd";
    case Compression::lz4:
        return "lz4";
    }
    return "unknown";
}

std::vector<std::byte> decompress(Compression compression, std::span<const std::byte> packed, std::size_t size)
{
    std::vector<std::byte> out(size);
    switch (compression) {
    case Compression::gzip:
        unpack_gzip(packed, out);
        break;
    case Compression::xz:
        unpack_xz(packed, out);
        break;
    case Compression::zstd:
        unpack_zstd(packed, out);
        break;
    case Compression::lz4:
        unpack_lz4(packed, out);
        break;
    }
    return out;
}

}
