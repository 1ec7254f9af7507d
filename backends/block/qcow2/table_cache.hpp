// Pieces of an image's tables (L1, L2, reference counts) in memory: a bounded number of them, the least used go first.
//
// Changes are written through: what an answered write of the guest needs is in the file before the answer, so that a
// successor of a killed backend finds it there. A piece is changed by one coroutine at a time (the image's Gate sees to
// that).
#pragma once

#include "backends/block/qcow2/aligned.hpp"
#include "backends/block/qcow2/header.hpp"
#include "backends/block/qcow2/image_file.hpp"

#include <list>
#include <memory>
#include <unordered_map>

namespace xylem::backends::block::qcow2 {

class TableCache {
public:
    TableCache(EventLoop& loop, ImageFile& file, u64 cluster_bytes)
        : file_(file), piece_bytes_(std::min<u64>(page_size, cluster_bytes)), loading_(loop)
    {
    }

    struct Piece {
        u64 offset;
        Aligned bytes;
        std::list<u64>::iterator place; ///< in the order of use

        u64 entry(u64 index) const { return big_endian_64(bytes.all(), index * 8); }
    };
    using Held = std::shared_ptr<Piece>;

    u64 piece_bytes() const { return piece_bytes_; }
    u64 entries_in_a_piece() const { return piece_bytes_ / 8; }

    /// The piece at `offset`, a multiple of the piece's size. @return 0 or an errno
    Task<int> get(u64 offset, Held& piece);
    /// Writes `changed` in its place from `first_byte` of the piece on: first to the file, then here, so that nobody
    /// builds on what a kill would undo. If it fails nobody knows what the file has: the piece is forgotten, to be read
    /// again.
    Task<int> store(Held piece, u64 first_byte, std::span<const std::byte> changed);
    /// Forgets what lay in a cluster that gets a new use.
    void forget(u64 offset, u64 bytes);

private:
    void make_room();

    static constexpr std::size_t most_pieces = 1024;

    ImageFile& file_;
    u64 piece_bytes_;
    Gate loading_; // so that an old copy cannot come in after a newer one has left
    std::unordered_map<u64, Held> pieces_;
    std::list<u64> order_; // the one unused for longest comes first
};

}
