// See image.hpp. Here: writing.
#include "backends/block/qcow2/image.hpp"

#include <algorithm>
#include <cerrno>

namespace xylem::backends::block::qcow2 {

static constexpr u64 copied_flag = u64{1} << 63;
static constexpr u64 sector = 512;

Task<int> Image::write(DiskJob& job)
{
    for (u64 done = 0; done < job.bytes;) {
        Extent extent;
        if (const int error = co_await look_up(job.offset + done, job.bytes - done, extent))
            co_return error;
        u64 moved = extent.bytes;
        int error = 0;
        if (!extent.in_place() || !changed_)
            error = co_await write_elsewhere(job, done, moved);
        else if (!refcounts_.writable(extent.host, extent.bytes))
            error = damaged("a cluster lies outside of it, or where something else does");
        else
            error = co_await file_.write(extent.host, slice(job.vectors, done, extent.bytes));
        if (error != 0)
            co_return error;
        done += moved;
    }
    co_return 0;
}

/// Writes what cannot be written where it is now, from byte `done` of the job on.
/// @param moved  how much that was; 0 if another request has made a place meanwhile
Task<int> Image::write_elsewhere(DiskJob& job, u64 done, u64& moved)
{
    const Gate::Stay alone = co_await mapping_.enter(Gate::With::nobody);
    moved = 0;
    if (const int error = co_await begin_changes())
        co_return error;
    const u64 at = job.offset + done;
    Extent old;
    if (const int error = co_await look_up(at, job.bytes - done, old))
        co_return error;
    if (old.in_place())
        co_return 0;
    Refcounts::Run run;
    if (const int error = co_await place_for(old, header_.whole_clusters(header_.within_cluster(at) + old.bytes), run))
        co_return error;
    const u64 bytes = std::min(old.bytes, run.clusters * header_.cluster_bytes() - header_.within_cluster(at));
    // Plain: if the power fails before the data are on the disk, but after the entry is, then what is read is zeros,
    // which is what was there before. In all other cases the cluster is written as a whole, and flushed before the
    // entry.
    const bool plain =
        run.zeros && (old.kind == Extent::Kind::zeros ||
                      (old.kind == Extent::Kind::hole && nothing_below(at - header_.within_cluster(at))));
    std::vector<iovec> data = slice(job.vectors, done, bytes);
    int error = 0;
    if (plain)
        error = co_await file_.write(run.offset + header_.within_cluster(at), std::move(data));
    else
        error = co_await write_around(run, at, std::move(data), bytes);
    if (error == 0)
        error = co_await map(at, run);
    moved = bytes;
    co_return error; // after an error the run stays counted, and is a leak: it may be mapped, nobody knows
}

Task<int> Image::place_for(const Extent& old, u64 clusters, Refcounts::Run& run)
{
    if (old.kind == Extent::Kind::zeros && old.ours && old.host != 0) {
        run = {old.host - header_.within_cluster(old.host), clusters, false};
        const bool possible = refcounts_.writable(run.offset, clusters * header_.cluster_bytes());
        co_return possible ? 0 : damaged("a cluster lies outside of it, or where something else does");
    }
    co_return co_await refcounts_.take(clusters, run);
}

/// Writes whole clusters: the data, and around them what was there before.
Task<int> Image::write_around(Refcounts::Run run, u64 at, std::vector<iovec> data, u64 bytes)
{
    const u64 before = header_.within_cluster(at);
    const u64 after = (header_.cluster_bytes() - header_.within_cluster(at + bytes)) % header_.cluster_bytes();
    const Aligned around(before + after); // zeros, as what lies behind the disk's end remains
    const u64 after_on_disk = std::min(after, geometry_.bytes - at - bytes);
    const std::vector<iovec> head{{around.all().data(), before}};
    const std::vector<iovec> tail{{around.all().data() + before, after}};
    if (const int error = co_await read(at - before, head, before))
        co_return error;
    if (const int error = co_await read(at + bytes, tail, after_on_disk))
        co_return error;
    std::vector<iovec> all;
    if (before > 0)
        all.push_back(head[0]);
    all.insert(all.end(), data.begin(), data.end());
    if (after > 0)
        all.push_back(tail[0]);
    if (const int error = co_await file_.write(run.offset, std::move(all)))
        co_return error;
    co_return co_await file_.flush();
}

/// Points the clusters from that of `at` on to those of the run.
Task<int> Image::map(u64 at, Refcounts::Run run)
{
    L2Place place;
    if (const int error = co_await own_l2(at, place))
        co_return error;
    std::vector<u64> entries;
    std::vector<u64> old;
    for (u64 i = 0; i < run.clusters; ++i) {
        entries.push_back((run.offset + (i << header_.cluster_bits)) | copied_flag);
        old.push_back(place.piece->entry(place.index + i));
    }
    if (const int error = co_await set_entries(std::move(place), entries))
        co_return error;
    for (u64 i = 0; i < run.clusters; ++i)
        drop(old[i], entries[i] & ~copied_flag);
    co_return 0;
}

Task<int> Image::set_entries(L2Place place, std::vector<u64> entries)
{
    std::vector<std::byte> bytes(entries.size() * 8);
    for (std::size_t i = 0; i < entries.size(); ++i)
        store_big_endian_64(bytes, i * 8, entries[i]);
    co_return co_await tables_.store(std::move(place.piece), place.index * 8, bytes);
}

/// The entry for `at` in an L2 table that no snapshot shares; makes one if there is none.
Task<int> Image::own_l2(u64 at, L2Place& place)
{
    bool ours = false;
    u64 table = 0;
    if (const int error = co_await find_l2(at, ours, table))
        co_return error;
    if (!ours || table == 0) {
        const u64 old = table;
        if (const int error = co_await new_l2(old, table))
            co_return error;
        const u64 slot = header_.l1_offset + header_.cluster_of(at) / header_.l2_entries() * 8;
        const u64 within = slot % tables_.piece_bytes();
        L2Place l1{nullptr, within / 8};
        if (const int error = co_await tables_.get(slot - within, l1.piece))
            co_return error;
        const std::vector<u64> pointer{table | copied_flag};
        if (const int error = co_await set_entries(std::move(l1), pointer))
            co_return error;
        if (old != 0)
            dropped_.push_back({old, header_.cluster_bytes()});
    }
    const u64 index = header_.cluster_of(at) % header_.l2_entries();
    place.index = index % tables_.entries_in_a_piece();
    co_return co_await tables_.get(table + (index - place.index) * 8, place.piece);
}

/// A new L2 table, empty or like an old one, durably in the file.
Task<int> Image::new_l2(u64 old_table, u64& table)
{
    Refcounts::Run run;
    if (const int error = co_await refcounts_.take(1, run))
        co_return error;
    table = run.offset;
    if (old_table == 0 && run.zeros)
        co_return 0;
    const Aligned content(header_.cluster_bytes());
    if (old_table != 0)
        if (const int error = co_await file_.read(old_table, content.all()))
            co_return error;
    if (const int error = co_await file_.write(table, content.all()))
        co_return error;
    co_return co_await file_.flush();
}

/// Before the first change: features that describe an image which nobody else writes are no longer true.
Task<int> Image::begin_changes()
{
    if (!changed_ && header_.autoclear != 0) {
        Aligned start(sector);
        std::memcpy(start.all().data(), parts_.start.data(), sector);
        store_big_endian_64(start.all(), autoclear_field, 0);
        if (const int error = co_await file_.write(0, start.all()))
            co_return error;
        std::memcpy(parts_.start.data(), start.all().data(), sector);
        if (const int error = co_await file_.flush())
            co_return error;
    }
    changed_ = true;
    co_return 0;
}

}
