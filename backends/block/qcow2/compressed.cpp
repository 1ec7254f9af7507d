// See compressed.hpp.
#include "backends/block/qcow2/compressed.hpp"

#include <zlib.h>
#include <zstd.h>

namespace xylem::backends::block::qcow2 {

static constexpr u64 sector = 512;
/// 8 MiB, which every reader of the format takes. A frame may ask for up to 128, and no cluster has more than two.
static constexpr int largest_zstd_window_log = 23;

PackedPlace packed_place(const Header& header, u64 l2_entry)
{
    const u32 offset_bits = 62 - (header.cluster_bits - 8);
    const u64 offset = l2_entry & ((u64{1} << offset_bits) - 1);
    const u64 further_sectors = (l2_entry & ((u64{1} << 62) - 1)) >> offset_bits;
    return {offset, (further_sectors + 1) * sector - offset % sector};
}

static bool unpack_zlib(std::span<const std::byte> from, std::span<std::byte> to)
{
    static constexpr int raw_with_window_of_4_kib = -12;
    z_stream stream{};
    if (inflateInit2(&stream, raw_with_window_of_4_kib) != Z_OK)
        return false;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
    stream.avail_in = static_cast<uInt>(from.size());
    stream.next_out = reinterpret_cast<Bytef*>(to.data());
    stream.avail_out = static_cast<uInt>(to.size());
    const int outcome = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return stream.avail_out == 0 && (outcome == Z_STREAM_END || outcome == Z_BUF_ERROR);
}

/// The data are followed by whatever fills their last sector, so that the frame has to be found by unpacking it.
static bool unpack_zstd(std::span<const std::byte> from, std::span<std::byte> to)
{
    ZSTD_DCtx* context = ZSTD_createDCtx();
    if (!context)
        return false;
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, largest_zstd_window_log);
    ZSTD_inBuffer input{from.data(), from.size(), 0};
    ZSTD_outBuffer output{to.data(), to.size(), 0};
    std::size_t left = 1;
    while (output.pos < output.size && left != 0 && !ZSTD_isError(left)) {
        const std::size_t before = input.pos + output.pos;
        left = ZSTD_decompressStream(context, &output, &input);
        if (input.pos + output.pos == before)
            break; // it wants more than there is
    }
    ZSTD_freeDCtx(context);
    return !ZSTD_isError(left) && output.pos == output.size;
}

bool unpack(Compression how, std::span<const std::byte> from, std::span<std::byte> to)
{
    return how == Compression::zstd ? unpack_zstd(from, to) : unpack_zlib(from, to);
}

}
