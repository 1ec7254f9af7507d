// A qcow2 image as a disk: clusters of the guest's disk lie anywhere in the file, or not at all, and then in the
// backing disk or nowhere.
//
// What is in the file comes first, always. A cluster's data and its count are there before the L2 entry that points to
// it (what that means after a loss of power: see `plain` in image_write.cpp); its old place is given back only after a
// flush has made the new entry durable. So a backend may be killed between any two operations on the file, and its
// successor opens an image whose every answered write is there.
//
// Requests that read, or write in place, run side by side; those that change the map run one after the other
// (`mapping_`); giving clusters back waits until nothing is under way that may still use them (`using_`).
#pragma once

#include "backends/block/qcow2/compressed.hpp"
#include "backends/block/qcow2/refcounts.hpp"
#include "backends/lib/log.hpp"

#include <string>

namespace xylem::backends::block::qcow2 {

struct ImageParts {
    EventLoop& loop;
    std::string name; ///< for the log
    std::unique_ptr<Disk> file;
    std::unique_ptr<Disk> backing; ///< null if there is none
    Header header;
    std::vector<std::byte> start; ///< the first sector of the file at least
    Extents extents;
    Access access;
};

class Image : public Disk {
public:
    explicit Image(ImageParts parts);

    const Geometry& geometry() const override { return geometry_; }
    void submit(DiskJob& job) override { perform(job); }

private:
    /// A run of the guest's disk that lies in one way, within one piece of an L2 table.
    struct Extent {
        enum class Kind { hole, zeros, data, packed };
        Kind kind = Kind::hole;
        bool ours = false; ///< of zeros and data: no snapshot shares the place
        u64 host = 0;      ///< of zeros and data: the first byte's place in the file; 0 if zeros have none
        u64 entry = 0;     ///< of the first cluster
        u64 bytes = 0;

        bool in_place() const { return kind == Kind::data && ours; }
    };
    /// An L2 table's piece and the index in it.
    struct L2Place {
        TableCache::Held piece;
        u64 index = 0;
    };

    Detached perform(DiskJob& job);

    // image.cpp: the map, and reading
    Task<int> find_l2(u64 at, bool& ours, u64& table);
    Task<int> look_up(u64 at, u64 most, Extent& extent);
    Extent classify(u64 entry, u64 at) const;
    bool continues(const Extent& extent, u64 entry, u64 clusters) const;
    Task<int> read(u64 at, std::vector<iovec> into, u64 bytes);
    Task<int> read_extent(Extent extent, u64 at, std::vector<iovec> into);
    Task<int> read_backing(u64 at, std::vector<iovec> into, u64 bytes);
    Task<int> read_packed(u64 entry, u64 at, std::vector<iovec> into);
    int damaged(const char* what);

    // image_write.cpp
    Task<int> write(DiskJob& job);
    Task<int> write_elsewhere(DiskJob& job, u64 done, u64& moved);
    Task<int> place_for(const Extent& old, u64 clusters, Refcounts::Run& run);
    Task<int> write_around(Refcounts::Run run, u64 at, std::vector<iovec> data, u64 bytes);
    Task<int> map(u64 at, Refcounts::Run run);
    Task<int> own_l2(u64 at, L2Place& place);
    Task<int> new_l2(u64 old_table, u64& table);
    Task<int> set_entries(L2Place place, std::vector<u64> entries);
    Task<int> begin_changes();
    bool nothing_below(u64 at) const { return !parts_.backing || at >= parts_.backing->geometry().bytes; }

    // image_discard.cpp
    Task<int> discard(u64 offset, u64 bytes);
    Task<int> discard_some(u64& at, u64 end);
    void drop(u64 entry, u64 kept_host);
    Task<int> flush();
    Task<int> flush_and_release();
    Task<int> rest();

    ImageParts parts_;
    Header& header_;
    Geometry geometry_;
    ImageFile file_;
    ImageFile backing_;
    TableCache tables_;
    Refcounts refcounts_;
    Gate using_;
    Gate mapping_;
    Gate unpacking_;
    bool changed_ = false; ///< the header says already that we write

    struct Dropped {
        u64 offset;
        u64 bytes;
    };
    /// Places that wait for a flush: more, and we flush ourselves.
    static constexpr std::size_t most_dropped = 4096;
    std::vector<Dropped> dropped_; ///< places that no entry points to any more, when that is durable

    Aligned packed_;
    Aligned unpacked_;
    u64 unpacked_entry_ = 0; ///< whose cluster unpacked_ is; 0 for none
    LogLimit log_limit_;
};

/// The part of `vectors` that begins after `skip` bytes and is `bytes` long.
std::vector<iovec> slice(const std::vector<iovec>& vectors, u64 skip, u64 bytes);

}
