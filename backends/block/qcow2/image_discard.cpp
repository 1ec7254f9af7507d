// See image.hpp. Here: letting go of clusters, and making things durable.
#include "backends/block/qcow2/image.hpp"

#include <algorithm>

namespace xylem::backends::block::qcow2 {

static constexpr u64 packed_flag = u64{1} << 62;
static constexpr u64 zeros_flag = 1;
static constexpr u64 pointer = 0x00fffffffffffe00;
/// Pieces of L2 tables that a discard looks through before the others get their turn.
static constexpr unsigned pieces_per_turn = 64;

/// Notes what an entry pointed to, unless its place is kept.
void Image::drop(u64 entry, u64 kept_host)
{
    if (entry & packed_flag) {
        const PackedPlace place = packed_place(header_, entry);
        if (place.offset < offset_limit)
            dropped_.push_back({place.offset, place.bytes});
        return;
    }
    const u64 host = entry & pointer;
    if (host != 0 && host != kept_host && refcounts_.writable(host, header_.cluster_bytes()))
        dropped_.push_back({host, header_.cluster_bytes()});
}

/// Frees the whole clusters within the range. A discard is advice: what lies in the backing disk stays as it is, and so
/// does everything that would show the backing disk's data again (in version 2, which cannot say "zeros").
Task<int> Image::discard(u64 offset, u64 bytes)
{
    u64 at = header_.whole_clusters(offset) << header_.cluster_bits;
    const u64 end =
        offset + bytes == geometry_.bytes ? geometry_.bytes : (offset + bytes) & ~(header_.cluster_bytes() - 1);
    if (parts_.backing && header_.version < 3)
        co_return 0;
    for (unsigned pieces = 1; at < end; ++pieces) {
        if (const int error = co_await discard_some(at, end))
            co_return error;
        if (dropped_.size() > most_dropped)
            if (const int error = co_await flush_and_release())
                co_return error;
        if (pieces % pieces_per_turn == 0)
            co_await NextTurn(parts_.loop);
    }
    co_return 0;
}

/// The clusters from `at` on whose entries lie in one piece of a table. @param at  moved on
Task<int> Image::discard_some(u64& at, u64 end)
{
    const Gate::Stay inside = co_await using_.enter(Gate::With::others);
    const Gate::Stay alone = co_await mapping_.enter(Gate::With::nobody);
    if (const int error = co_await begin_changes())
        co_return error;
    bool ours = false;
    u64 table = 0;
    if (const int error = co_await find_l2(at, ours, table))
        co_return error;
    const u64 index = header_.cluster_of(at) % header_.l2_entries();
    const u64 start = at;
    if (table == 0) { // nothing is here
        at = std::min(end, at + ((header_.l2_entries() - index) << header_.cluster_bits));
        co_return 0;
    }
    const u64 in_piece = tables_.entries_in_a_piece() - index % tables_.entries_in_a_piece();
    at = std::min(end, at + (in_piece << header_.cluster_bits));
    L2Place place;
    if (const int error = co_await own_l2(start, place))
        co_return error;
    std::vector<u64> old;
    std::vector<u64> entries;
    bool changes = false;
    for (u64 i = 0; i < header_.whole_clusters(at - start); ++i) {
        const u64 entry = place.piece->entry(place.index + i);
        const bool holds_something = (entry & (packed_flag | pointer)) != 0;
        const bool reads_zeros = header_.version >= 3 && (entry & zeros_flag);
        old.push_back(entry);
        entries.push_back(!holds_something ? entry : nothing_below(start) && !reads_zeros ? 0 : zeros_flag);
        changes = changes || holds_something;
    }
    if (!changes)
        co_return 0;
    if (const int error = co_await set_entries(std::move(place), entries))
        co_return error;
    for (std::size_t i = 0; i < old.size(); ++i)
        if (old[i] != entries[i])
            drop(old[i], 0);
    co_return 0;
}

Task<int> Image::flush()
{
    if (!dropped_.empty())
        co_return co_await flush_and_release();
    co_return co_await file_.flush();
}

/// Gives back what has been dropped, once that is durable and nothing is under way that may still read or write it
/// there.
Task<int> Image::flush_and_release()
{
    std::vector<Dropped> dropped;
    dropped.swap(dropped_);
    if (const int error = co_await file_.flush()) {
        dropped_.insert(dropped_.end(), dropped.begin(), dropped.end());
        co_return error;
    }
    const Gate::Stay alone = co_await using_.enter(Gate::With::nobody);
    unpacked_entry_ = 0;
    std::sort(dropped.begin(), dropped.end(), [](const Dropped& a, const Dropped& b) { return a.offset < b.offset; });
    for (std::size_t i = 0; i < dropped.size();) {
        const u64 start = dropped[i].offset;
        u64 end = start + dropped[i].bytes;
        for (++i; i < dropped.size() && dropped[i].offset == end && header_.within_cluster(end) == 0; ++i)
            end += dropped[i].bytes;
        (void)co_await refcounts_.release(start, end - start); // what cannot be given back is a leak, and no harm
    }
    co_return 0;
}

Task<int> Image::rest()
{
    if (!changed_)
        co_return 0;
    const int error = co_await flush_and_release();
    const Gate::Stay alone = co_await using_.enter(Gate::With::nobody);
    (void)co_await refcounts_.rest();
    const int last = co_await file_.flush();
    co_return error != 0 ? error : last;
}

}
