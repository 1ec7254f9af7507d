// See refcounts.hpp.
#include "backends/block/qcow2/refcounts.hpp"

#include <algorithm>
#include <cerrno>

namespace xylem::backends::block::qcow2 {

static constexpr u64 sector = 512;
static constexpr u64 block_pointer = ~u64{511};
static constexpr u64 largest_table_bytes = 8 << 20;
/// Counted at once: what a guest writes in a while, and no more than is bearable as a leak after a kill.
static constexpr u64 bytes_ahead = 4 << 20;
/// Pieces of counts looked through before the others get their turn.
static constexpr unsigned pieces_per_turn = 64;

Refcounts::Refcounts(EventLoop& loop, ImageFile& file, TableCache& tables, Header& header,
                     std::span<std::byte> first_sector, Extents extents)
    : loop_(loop), file_(file), tables_(tables), header_(header), first_sector_(first_sector), extents_(extents)
{
}

static bool overlap(u64 a, u64 a_bytes, u64 b, u64 b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}

bool Refcounts::top_table(u64 offset, u64 bytes) const
{
    const u64 cluster = header_.cluster_bytes();
    return overlap(offset, bytes, 0, cluster) ||
           overlap(offset, bytes, header_.l1_offset, header_.whole_clusters(header_.l1_entries * u64{8}) * cluster) ||
           overlap(offset, bytes, header_.refcount_table_offset, header_.refcount_table_clusters * cluster);
}

bool Refcounts::writable(u64 offset, u64 bytes) const
{
    return offset < extents_.end && bytes <= extents_.end - offset && !top_table(offset, bytes);
}

u64 Refcounts::count_at(std::span<const std::byte> bytes, u64 index) const
{
    const u32 bits = header_.refcount_bits;
    if (bits < 8) {
        const u64 bit = index * bits;
        return static_cast<u64>(bytes[bit / 8]) >> (bit % 8) & ((1u << bits) - 1);
    }
    u64 count = 0;
    for (u64 i = 0; i < bits / 8; ++i)
        count = count << 8 | static_cast<u64>(bytes[index * (bits / 8) + i]);
    return count;
}

void Refcounts::set_count(std::span<std::byte> bytes, u64 index, u64 count) const
{
    const u32 bits = header_.refcount_bits;
    if (bits < 8) {
        const u64 bit = index * bits;
        const u64 others = ~(((u64{1} << bits) - 1) << (bit % 8));
        bytes[bit / 8] = static_cast<std::byte>((static_cast<u64>(bytes[bit / 8]) & others) | count << (bit % 8));
        return;
    }
    for (u64 i = 0; i < bits / 8; ++i)
        bytes[index * (bits / 8) + i] = static_cast<std::byte>(count >> (bits - 8 - i * 8));
}

Task<int> Refcounts::find(u64 cluster, Place& place)
{
    place = {nullptr, cluster / counts_in_a_piece() * counts_in_a_piece(), 0};
    const u64 block = cluster / counts_in_a_block();
    place.missing = (block + 1) * counts_in_a_block() - cluster;
    if (block >= blocks_in_the_table())
        co_return 0;
    const u64 slot = header_.refcount_table_offset + block * 8;
    const u64 within = slot % tables_.piece_bytes();
    TableCache::Held table;
    if (const int error = co_await tables_.get(slot - within, table))
        co_return error;
    const u64 offset = table->entry(within / 8) & block_pointer;
    if (offset == 0)
        co_return 0;
    if (header_.within_cluster(offset) != 0 || !writable(offset, header_.cluster_bytes()))
        co_return EIO;
    const u64 piece = cluster % counts_in_a_block() / counts_in_a_piece();
    co_return co_await tables_.get(offset + piece * tables_.piece_bytes(), place.piece);
}

Task<int> Refcounts::store_counts(Place place, u64 first, std::vector<u64> counts)
{
    const auto old = place.piece->bytes.all();
    std::vector<std::byte> bytes(old.begin(), old.end());
    for (u64 i = 0; i < counts.size(); ++i)
        set_count(bytes, first - place.first + i, counts[i]);
    const u64 from = (first - place.first) * header_.refcount_bits / 8;
    const u64 to = ((first - place.first + counts.size()) * header_.refcount_bits + 7) / 8;
    co_return co_await tables_.store(place.piece, from, std::span(bytes).subspan(from, to - from));
}

Task<int> Refcounts::take(u64 wanted, Run& run)
{
    if (reserved_.clusters == 0)
        if (const int error = co_await reserve(wanted))
            co_return error;
    run = reserved_;
    run.clusters = std::min(wanted, reserved_.clusters);
    reserved_.clusters -= run.clusters;
    reserved_.offset += run.clusters * header_.cluster_bytes();
    tables_.forget(run.offset, run.clusters * header_.cluster_bytes());
    co_return 0;
}

/// Looks for free clusters from hint_ on, and makes room for counts where there is none.
Task<int> Refcounts::reserve(u64 wanted)
{
    for (unsigned pieces = 1;; ++pieces) {
        if (pieces % pieces_per_turn == 0)
            co_await NextTurn(loop_);
        if (hint_ >= extents_.limit >> header_.cluster_bits)
            co_return ENOSPC;
        Place place;
        if (const int error = co_await find(hint_, place))
            co_return error;
        if (!place.piece) {
            const u64 block = hint_ / counts_in_a_block();
            int error = 0;
            if (block < blocks_in_the_table())
                error = co_await make_block(block);
            else
                error = co_await grow_table();
            if (error != 0)
                co_return error;
            continue;
        }
        const u64 end = place.first + counts_in_a_piece();
        const auto counts = place.piece->bytes.all();
        while (hint_ < end && (count_at(counts, hint_ - place.first) != 0 ||
                               top_table(hint_ << header_.cluster_bits, header_.cluster_bytes())))
            ++hint_;
        if (hint_ < end)
            co_return co_await reserve_in(std::move(place), wanted);
    }
}

/// Counts a run of free clusters that begins at hint_. It lies whole within the file as it is, or whole behind its end.
Task<int> Refcounts::reserve_in(Place place, u64 wanted)
{
    const u64 ahead = std::clamp<u64>(bytes_ahead >> header_.cluster_bits, 2, 1024);
    const u64 file_clusters = extents_.end >> header_.cluster_bits;
    const bool behind_end = hint_ >= file_clusters;
    u64 end = std::min(place.first + counts_in_a_piece(), hint_ + std::max(wanted, ahead));
    end = std::min(end, (behind_end ? extents_.limit : extents_.end) >> header_.cluster_bits);
    const auto counts = place.piece->bytes.all();
    u64 after = hint_;
    while (after < end && count_at(counts, after - place.first) == 0 &&
           !top_table(after << header_.cluster_bits, header_.cluster_bytes()))
        ++after;
    if (after == hint_)
        co_return ENOSPC;
    const Run run{hint_ << header_.cluster_bits, after - hint_, behind_end};
    if (const int error = co_await store_counts(std::move(place), hint_, std::vector<u64>(run.clusters, 1)))
        co_return error;
    if (const int error = co_await extend_to(after << header_.cluster_bits))
        co_return error;
    if (const int error = co_await file_.flush())
        co_return error;
    hint_ = after;
    reserved_ = run;
    co_return 0;
}

/// Has the file reach up to `end`, with zeros.
Task<int> Refcounts::extend_to(u64 end)
{
    if (end <= extents_.end)
        co_return 0;
    const Aligned zeros(sector);
    const int error = co_await file_.write(end - sector, zeros.all());
    if (error == 0)
        extents_.end = end;
    co_return error;
}

/// Makes the block of counts with the given number, in the first cluster that it counts: nothing has used that before.
Task<int> Refcounts::make_block(u64 block)
{
    const u64 cluster = header_.cluster_bytes();
    const u64 first = block * counts_in_a_block();
    u64 self = first;
    while (top_table(self * cluster, cluster))
        ++self; // they are few: one header and two tables of limited size
    if (self >= first + counts_in_a_block())
        co_return EIO;
    if ((self + 1) * cluster > extents_.limit)
        co_return ENOSPC;
    const Aligned counts(cluster);
    set_count(counts.all(), self - first, 1);
    tables_.forget(self * cluster, cluster);
    if (const int error = co_await file_.write(self * cluster, counts.all()))
        co_return error;
    extents_.end = std::max(extents_.end, (self + 1) * cluster);
    if (const int error = co_await file_.flush())
        co_return error;
    const u64 slot = header_.refcount_table_offset + block * 8;
    const u64 within = slot % tables_.piece_bytes();
    TableCache::Held table;
    if (const int error = co_await tables_.get(slot - within, table))
        co_return error;
    std::byte pointer[8];
    store_big_endian_64(pointer, 0, self * cluster);
    co_return co_await tables_.store(std::move(table), within, pointer);
}

/// Makes a larger table of counts, with blocks for the clusters that these and it lie in: just behind all that the old
/// one can count.
Task<int> Refcounts::grow_table()
{
    const u64 cluster = header_.cluster_bytes();
    const u64 old_blocks = blocks_in_the_table();
    const u64 table_clusters = header_.refcount_table_clusters * u64{2};
    const u64 blocks = (table_clusters + counts_in_a_block() - 2) / (counts_in_a_block() - 1);
    const u64 at = old_blocks * counts_in_a_block() * cluster;
    const u64 bytes = (blocks + table_clusters) * cluster;
    if (table_clusters * cluster > largest_table_bytes || at > offset_limit - bytes)
        co_return EFBIG;
    if (at + bytes > extents_.limit)
        co_return ENOSPC;
    if (top_table(at, bytes))
        co_return EIO;
    tables_.forget(at, bytes);
    if (const int error = co_await write_grown_table(at, blocks, table_clusters))
        co_return error;
    extents_.end = std::max(extents_.end, at + bytes);
    const u64 old_table = header_.refcount_table_offset;
    const u64 old_bytes = header_.refcount_table_clusters * cluster;
    Aligned start(sector);
    std::memcpy(start.all().data(), first_sector_.data(), sector);
    store_big_endian_64(start.all(), refcount_table_field, at + blocks * cluster);
    store_big_endian_32(start.all(), refcount_table_field + 8, static_cast<u32>(table_clusters));
    if (const int error = co_await file_.write(0, start.all()))
        co_return error;
    std::memcpy(first_sector_.data(), start.all().data(), sector);
    header_.refcount_table_offset = at + blocks * cluster;
    header_.refcount_table_clusters = static_cast<u32>(table_clusters);
    if (const int error = co_await file_.flush())
        co_return error;
    co_return co_await release(old_table, old_bytes);
}

/// @return once the new table and its blocks are durably there
Task<int> Refcounts::write_grown_table(u64 at, u64 blocks, u64 table_clusters)
{
    const u64 cluster = header_.cluster_bytes();
    for (u64 block = 0; block < blocks; ++block) {
        const Aligned counts(cluster);
        const u64 first = block * counts_in_a_block();
        for (u64 i = 0; i < counts_in_a_block() && first + i < blocks + table_clusters; ++i)
            set_count(counts.all(), i, 1);
        if (const int error = co_await file_.write(at + block * cluster, counts.all()))
            co_return error;
    }
    const Aligned table(table_clusters * cluster);
    const u64 old_bytes = header_.refcount_table_clusters * cluster;
    if (const int error = co_await file_.read(header_.refcount_table_offset, table.all().first(old_bytes)))
        co_return error;
    for (u64 block = 0; block < blocks; ++block)
        store_big_endian_64(table.all(), old_bytes + block * 8, at + block * cluster);
    if (const int error = co_await file_.write(at + blocks * cluster, table.all()))
        co_return error;
    co_return co_await file_.flush();
}

Task<int> Refcounts::release(u64 offset, u64 bytes)
{
    u64 cluster = header_.cluster_of(offset);
    const u64 end = header_.whole_clusters(offset + bytes);
    while (cluster < end) {
        Place place;
        if (const int error = co_await find(cluster, place))
            co_return error;
        if (!place.piece) {
            cluster += place.missing;
            continue;
        }
        const u64 stop = std::min(end, place.first + counts_in_a_piece());
        if (const int error = co_await release_in(std::move(place), cluster, stop))
            co_return error;
        cluster = stop;
    }
    co_return 0;
}

/// Releases clusters that one piece counts. Those that nobody uses any more are given back to the file system.
Task<int> Refcounts::release_in(Place place, u64 cluster, u64 end)
{
    const auto old = place.piece->bytes.all();
    std::vector<u64> counts;
    for (u64 i = cluster; i < end; ++i) {
        const u64 count = count_at(old, i - place.first);
        counts.push_back(count == 0 ? 0 : count - 1);
    }
    if (const int error = co_await store_counts(std::move(place), cluster, counts))
        co_return error;
    for (u64 i = cluster; i < end; ++i) {
        const u64 first = i;
        while (i < end && counts[i - cluster] == 0)
            ++i;
        if (i == first)
            continue;
        const u64 offset = first << header_.cluster_bits;
        const u64 bytes = (i - first) << header_.cluster_bits;
        tables_.forget(offset, bytes);
        hint_ = std::min(hint_, first);
        if (writable(offset, bytes))
            (void)co_await file_.discard(offset, bytes); // not every file can
    }
    co_return 0;
}

Task<int> Refcounts::rest()
{
    const Run unused = std::exchange(reserved_, Run{});
    if (unused.clusters == 0)
        co_return 0;
    co_return co_await release(unused.offset, unused.clusters * header_.cluster_bytes());
}

}
