// Who uses which cluster of an image: the reference counts, and new clusters.
//
// A cluster's count is in the file, durably, before anything points to it. So that this does not cost a flush an
// allocation, a run of clusters is counted ahead and handed out piece by piece. The other way round a count goes down
// only after what pointed to the cluster is durably gone. So whenever a backend is killed or the machine loses its
// power, a count is never too low; what is too high is a leak, which qemu-img check -r leaks takes back. What is
// reserved and not used goes back when the disk rests.
//
// Everything here runs alone (Image's gates see to that), and counts are the image's word: a count that says "free" of
// the header or the top tables is not believed.
#pragma once

#include "backends/block/qcow2/table_cache.hpp"

namespace xylem::backends::block::qcow2 {

/// Where the image lies in its file, and how far that can grow.
struct Extents {
    u64 end;   ///< bytes of the file that exist, in whole clusters; grows
    u64 limit; ///< bytes that it may have: a device cannot grow
};

class Refcounts {
public:
    Refcounts(EventLoop& loop, ImageFile& file, TableCache& tables, Header& header, std::span<std::byte> first_sector,
              Extents extents);

    struct Run {
        u64 offset = 0;
        u64 clusters = 0;
        bool zeros = false; ///< never used before: its bytes are zeros
    };

    /// Hands out clusters, at least one and at most `wanted`, in one piece.
    /// @return 0 or an errno; ENOSPC
    Task<int> take(u64 wanted, Run& run);
    /// Counts one user less for each cluster that the bytes touch.
    Task<int> release(u64 offset, u64 bytes);
    /// Gives back what was reserved.
    Task<int> rest();

    /// Whether bytes may be written that somebody else than the header and the top tables claims, and that exist.
    bool writable(u64 offset, u64 bytes) const;

private:
    /// Where the count of a cluster lies.
    struct Place {
        TableCache::Held piece;
        u64 first;   ///< the first cluster that the piece counts
        u64 missing; ///< if there is no piece: clusters that the missing block would count
    };

    u64 counts_in_a_block() const { return header_.cluster_bytes() * 8 / header_.refcount_bits; }
    u64 counts_in_a_piece() const { return tables_.piece_bytes() * 8 / header_.refcount_bits; }
    u64 blocks_in_the_table() const { return header_.refcount_table_clusters * header_.l2_entries(); }
    u64 count_at(std::span<const std::byte> bytes, u64 index) const;
    void set_count(std::span<std::byte> bytes, u64 index, u64 count) const;
    bool top_table(u64 offset, u64 bytes) const;

    Task<int> find(u64 cluster, Place& place);
    Task<int> store_counts(Place place, u64 first, std::vector<u64> counts);
    Task<int> reserve(u64 wanted);
    Task<int> reserve_in(Place place, u64 wanted);
    Task<int> extend_to(u64 end);
    Task<int> make_block(u64 block);
    Task<int> grow_table();
    Task<int> write_grown_table(u64 at, u64 blocks, u64 table_clusters);
    Task<int> release_in(Place place, u64 cluster, u64 end);

    EventLoop& loop_;
    ImageFile& file_;
    TableCache& tables_;
    Header& header_;
    std::span<std::byte> first_sector_; ///< of the file, as it is there
    Extents extents_;
    u64 hint_ = 0; ///< no cluster below it is known to be free
    Run reserved_;
};

}
