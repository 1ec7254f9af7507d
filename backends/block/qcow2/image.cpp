// See image.hpp. Here: the map, and reading.
#include "backends/block/qcow2/image.hpp"

#include <algorithm>
#include <cerrno>

namespace xylem::backends::block::qcow2 {

static constexpr u64 copied_flag = u64{1} << 63;
static constexpr u64 packed_flag = u64{1} << 62;
static constexpr u64 zeros_flag = 1;
static constexpr u64 pointer = 0x00fffffffffffe00;
static constexpr u64 sector = 512;

std::vector<iovec> slice(const std::vector<iovec>& vectors, u64 skip, u64 bytes)
{
    std::vector<iovec> part;
    for (const iovec& each : vectors) {
        if (skip >= each.iov_len) {
            skip -= each.iov_len;
            continue;
        }
        const u64 length = std::min<u64>(each.iov_len - skip, bytes);
        if (length == 0)
            break;
        part.push_back({static_cast<std::byte*>(each.iov_base) + skip, length});
        skip = 0;
        bytes -= length;
    }
    return part;
}

static void fill_with_zeros(const std::vector<iovec>& vectors)
{
    for (const iovec& each : vectors)
        std::memset(each.iov_base, 0, each.iov_len);
}

Image::Image(ImageParts parts)
    : parts_(std::move(parts)), header_(parts_.header), file_(*parts_.file),
      backing_(parts_.backing ? *parts_.backing : *parts_.file), tables_(parts_.loop, file_, header_.cluster_bytes()),
      refcounts_(parts_.loop, file_, tables_, header_, std::span(parts_.start).first(sector), parts_.extents),
      using_(parts_.loop), mapping_(parts_.loop), unpacking_(parts_.loop)
{
    geometry_.bytes = header_.disk_bytes;
    geometry_.access = parts_.access;
    geometry_.discards = parts_.access == Access::read_write;
    geometry_.discard_granularity = static_cast<u32>(header_.cluster_bytes());
    geometry_.holds_pages =
        parts_.file->geometry().holds_pages || (parts_.backing && parts_.backing->geometry().holds_pages);
}

Detached Image::perform(DiskJob& job)
{
    int error = 0;
    if (job.kind == DiskJob::Kind::read) {
        const Gate::Stay inside = co_await using_.enter(Gate::With::others);
        error = co_await read(job.offset, job.vectors, job.bytes);
    } else if (job.kind == DiskJob::Kind::write) {
        {
            const Gate::Stay inside = co_await using_.enter(Gate::With::others);
            error = co_await write(job);
        }
        if (error == 0 && dropped_.size() > most_dropped)
            error = co_await flush_and_release();
    } else if (job.kind == DiskJob::Kind::discard) {
        error = co_await discard(job.offset, job.bytes);
    } else if (job.kind == DiskJob::Kind::flush) {
        error = co_await flush();
    } else {
        error = co_await rest();
    }
    job.done(error);
}

int Image::damaged(const char* what)
{
    if (log_limit_.allows())
        log("disk {}: the image is damaged: {}; see qemu-img check", parts_.name, what);
    return EIO;
}

/// The L2 table for the byte `at` of the disk: where it lies, 0 if there is none, and whether no snapshot shares it.
Task<int> Image::find_l2(u64 at, bool& ours, u64& table)
{
    const u64 slot = header_.l1_offset + header_.cluster_of(at) / header_.l2_entries() * 8;
    const u64 within = slot % tables_.piece_bytes();
    TableCache::Held l1;
    if (const int error = co_await tables_.get(slot - within, l1))
        co_return error;
    const u64 entry = l1->entry(within / 8);
    ours = entry & copied_flag;
    table = entry & pointer;
    if (table != 0 && !refcounts_.writable(table, header_.cluster_bytes()))
        co_return damaged("an L2 table lies outside of it, or where something else does");
    co_return header_.within_cluster(table) == 0 ? 0 : damaged("an L2 table lies on no cluster's boundary");
}

/// What one entry says of the byte `at`; the length is left open.
Image::Extent Image::classify(u64 entry, u64 at) const
{
    Extent extent;
    extent.entry = entry;
    if (entry & packed_flag) {
        extent.kind = Extent::Kind::packed;
        return extent;
    }
    const u64 cluster = entry & pointer;
    extent.ours = entry & copied_flag;
    if (header_.version >= 3 && (entry & zeros_flag))
        extent.kind = Extent::Kind::zeros;
    else if (cluster != 0)
        extent.kind = Extent::Kind::data;
    extent.host = cluster == 0 ? 0 : cluster + header_.within_cluster(at);
    return extent;
}

/// Whether the cluster that is `clusters` behind the first one of an extent belongs to it.
bool Image::continues(const Extent& extent, u64 entry, u64 clusters) const
{
    const Extent next = classify(entry, 0);
    if (next.kind != extent.kind || next.kind == Extent::Kind::packed || next.ours != extent.ours)
        return false;
    if (extent.host == 0 || next.host == 0)
        return extent.host == next.host;
    return next.host == (extent.entry & pointer) + (clusters << header_.cluster_bits);
}

/// @param most  bytes that the caller wants, at least 1; the extent has no more
Task<int> Image::look_up(u64 at, u64 most, Extent& extent)
{
    const u64 cluster = header_.cluster_bytes();
    const u64 rest_of_cluster = cluster - header_.within_cluster(at);
    bool ours = false;
    u64 table = 0;
    if (const int error = co_await find_l2(at, ours, table))
        co_return error;
    const u64 index = header_.cluster_of(at) % header_.l2_entries();
    const u64 first = index % tables_.entries_in_a_piece();
    u64 clusters = 1;
    if (table == 0) {
        extent = {};
        clusters = tables_.entries_in_a_piece() - first;
    } else {
        TableCache::Held piece;
        if (const int error = co_await tables_.get(table + (index - first) * 8, piece))
            co_return error;
        extent = classify(piece->entry(first), at);
        while (first + clusters < tables_.entries_in_a_piece() && clusters << header_.cluster_bits < most + cluster &&
               continues(extent, piece->entry(first + clusters), clusters))
            ++clusters;
        extent.ours = extent.ours && ours;
    }
    extent.bytes = std::min(most, rest_of_cluster + ((clusters - 1) << header_.cluster_bits));
    if (extent.host != 0 && header_.within_cluster(extent.entry & pointer) != 0)
        co_return damaged("a cluster lies on no cluster's boundary");
    if (extent.host > offset_limit - extent.bytes)
        co_return damaged("a cluster lies outside of it");
    co_return 0;
}

Task<int> Image::read(u64 at, std::vector<iovec> into, u64 bytes)
{
    for (u64 done = 0; done < bytes;) {
        Extent extent;
        if (const int error = co_await look_up(at + done, bytes - done, extent))
            co_return error;
        if (const int error = co_await read_extent(extent, at + done, slice(into, done, extent.bytes)))
            co_return error;
        done += extent.bytes;
    }
    co_return 0;
}

Task<int> Image::read_extent(Extent extent, u64 at, std::vector<iovec> into)
{
    switch (extent.kind) {
    case Extent::Kind::data:
        co_return co_await file_.read(extent.host, std::move(into));
    case Extent::Kind::packed:
        co_return co_await read_packed(extent.entry, at, std::move(into));
    case Extent::Kind::hole:
        if (!nothing_below(at))
            co_return co_await read_backing(at, std::move(into), extent.bytes);
        break;
    case Extent::Kind::zeros:
        break;
    }
    fill_with_zeros(into);
    co_return 0;
}

/// The backing disk may be shorter than this one.
Task<int> Image::read_backing(u64 at, std::vector<iovec> into, u64 bytes)
{
    const u64 there = std::min(bytes, parts_.backing->geometry().bytes - at);
    fill_with_zeros(slice(into, there, bytes - there));
    co_return co_await backing_.read(at, slice(into, 0, there));
}

Task<int> Image::read_packed(u64 entry, u64 at, std::vector<iovec> into)
{
    const Gate::Stay alone = co_await unpacking_.enter(Gate::With::nobody);
    if (unpacked_entry_ != entry) {
        const PackedPlace place = packed_place(header_, entry);
        const u64 start = place.offset / sector * sector;
        const u64 bytes = place.offset - start + place.bytes;
        if (packed_.size() < bytes)
            packed_ = Aligned(2 * header_.cluster_bytes() + sector);
        if (unpacked_.size() == 0)
            unpacked_ = Aligned(header_.cluster_bytes());
        unpacked_entry_ = 0;
        if (bytes > packed_.size() || start > offset_limit)
            co_return damaged("a compressed cluster lies outside of it");
        if (const int error = co_await file_.read(start, packed_.all().first(bytes)))
            co_return error;
        if (!unpack(header_.compression, packed_.all().subspan(place.offset - start, place.bytes), unpacked_.all()))
            co_return damaged("a compressed cluster cannot be unpacked");
        unpacked_entry_ = entry;
    }
    const std::byte* from = unpacked_.all().data() + header_.within_cluster(at);
    for (const iovec& each : into) {
        std::memcpy(each.iov_base, from, each.iov_len);
        from += each.iov_len;
    }
    co_return 0;
}

}
