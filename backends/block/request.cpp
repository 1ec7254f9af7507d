// See request.hpp.
#include "backends/block/request.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace xylem::backends::block {

using abi::io::BlkifOp;
using abi::io::BlkifRequest;
using abi::io::BlkifRequestDiscard;
using abi::io::BlkifRequestIndirect;
using abi::io::BlkifRequestSegment;

static constexpr u32 sector_shift = 9;
static constexpr u32 sectors_in_a_page = page_size >> sector_shift;
static_assert(1u << sector_shift == abi::io::blkif_sector_bytes);

/// Another view of the same 112 bytes.
template <typename View> static View view_as(const BlkifRequest& raw)
{
    static_assert(sizeof(View) <= sizeof raw);
    View view;
    std::memcpy(static_cast<void*>(&view), &raw, sizeof view);
    return view;
}

static bool inside(const Geometry& disk, u64 sector, u64 count)
{
    return count <= disk.sectors() && sector <= disk.sectors() - count;
}

static bool aligned(const Geometry& disk, u64 bytes)
{
    return bytes % disk.sector_bytes == 0;
}

static bool take_segments(std::span<const BlkifRequestSegment> raw, const Geometry& disk, Command& command)
{
    for (const BlkifRequestSegment& segment : raw) {
        if (segment.first_sect > segment.last_sect || segment.last_sect >= sectors_in_a_page)
            return false;
        const u32 sectors = segment.last_sect - segment.first_sect + 1u;
        const Segment piece{GrantRef(segment.gref), static_cast<u16>(segment.first_sect << sector_shift),
                            static_cast<u16>(sectors << sector_shift)};
        if (!aligned(disk, piece.offset) || !aligned(disk, piece.bytes))
            return false;
        command.segments.push_back(piece);
        command.bytes += piece.bytes;
    }
    return true;
}

static Verdict place(u64 sector, const Geometry& disk, Command& command)
{
    if (!inside(disk, sector, command.bytes >> sector_shift))
        return Verdict::bad;
    command.offset = sector << sector_shift;
    return aligned(disk, command.offset) ? Verdict::good : Verdict::bad;
}

/// What read, write and barrier have in common, however their segments came.
static Verdict check_transfer(BlkifOp operation, std::span<const BlkifRequestSegment> segments, u64 sector,
                              const Geometry& disk, Command& command)
{
    switch (operation) {
    case BlkifOp::read:
        command.kind = Command::Kind::read;
        break;
    case BlkifOp::write:
        command.kind = Command::Kind::write;
        break;
    case BlkifOp::write_barrier:
        command.kind = Command::Kind::barrier;
        break;
    default:
        return Verdict::unsupported;
    }
    if (command.kind != Command::Kind::read && disk.access == Access::read_only)
        return Verdict::bad;
    if (segments.empty() && command.kind != Command::Kind::barrier)
        return Verdict::bad;
    return take_segments(segments, disk, command) ? place(sector, disk, command) : Verdict::bad;
}

static Verdict decode_indirect(const BlkifRequestIndirect& raw, const Geometry& disk, DescriptorSource& source,
                               Command& command)
{
    const u32 count = raw.nr_segments;
    if (count == 0 || count > max_indirect_segments)
        return Verdict::bad;
    static_assert(max_indirect_segments <= abi::io::blkif_segments_per_indirect_page);
    std::array<BlkifRequestSegment, max_indirect_segments> descriptors{};
    const GrantRef page(raw.indirect_grefs[0]);
    const auto wanted = std::span(descriptors).first(count);
    if (!source.fetch({&page, 1}, wanted))
        return Verdict::bad;
    return check_transfer(raw.indirect_op, wanted, raw.sector_number, disk, command);
}

static Verdict decode_discard(const BlkifRequestDiscard& raw, const Geometry& disk, Command& command)
{
    command.kind = Command::Kind::discard;
    if (!disk.discards || (raw.flag & abi::io::blkif_discard_secure))
        return Verdict::unsupported;
    if (disk.access == Access::read_only || raw.nr_sectors == 0 || !inside(disk, raw.sector_number, raw.nr_sectors))
        return Verdict::bad;
    command.bytes = raw.nr_sectors << sector_shift;
    return place(raw.sector_number, disk, command);
}

static Verdict decode_flush(const BlkifRequest& raw, Command& command)
{
    command.kind = Command::Kind::flush;
    return raw.nr_segments == 0 ? Verdict::good : Verdict::bad;
}

Verdict decode(const BlkifRequest& raw, const Geometry& disk, DescriptorSource& indirect, Command& command)
{
    command.segments.clear();
    command.offset = command.bytes = 0;
    command.id = raw.id;
    command.reply_operation = raw.operation;
    switch (raw.operation) {
    case BlkifOp::flush_diskcache:
        return decode_flush(raw, command);
    case BlkifOp::discard:
        return decode_discard(view_as<BlkifRequestDiscard>(raw), disk, command);
    case BlkifOp::indirect: {
        const auto view = view_as<BlkifRequestIndirect>(raw);
        command.reply_operation = view.indirect_op; // what the frontend compares the response with
        return decode_indirect(view, disk, indirect, command);
    }
    default:
        if (raw.nr_segments > abi::io::blkif_max_segments_per_request)
            return Verdict::bad;
        return check_transfer(raw.operation, std::span(raw.seg).first(raw.nr_segments), raw.sector_number, disk,
                              command);
    }
}

}
