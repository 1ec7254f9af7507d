// See table_cache.hpp.
#include "backends/block/qcow2/table_cache.hpp"

namespace xylem::backends::block::qcow2 {

static constexpr u64 sector = 512;

Task<int> TableCache::get(u64 offset, Held& piece)
{
    auto found = pieces_.find(offset);
    if (found == pieces_.end()) {
        const Gate::Stay alone = co_await loading_.enter(Gate::With::nobody);
        found = pieces_.find(offset); // another may have brought it meanwhile
        if (found == pieces_.end()) {
            auto fresh = std::make_shared<Piece>(Piece{offset, Aligned(piece_bytes_), {}});
            if (const int error = co_await file_.read(offset, fresh->bytes.all()))
                co_return error;
            make_room();
            fresh->place = order_.insert(order_.end(), offset);
            found = pieces_.emplace(offset, std::move(fresh)).first;
        }
    }
    piece = found->second;
    order_.splice(order_.end(), order_, piece->place);
    co_return 0;
}

/// A piece that somebody holds stays, so that there are never two of one place. They are few: one or two an operation.
void TableCache::make_room()
{
    for (auto oldest = order_.begin(); pieces_.size() >= most_pieces && oldest != order_.end();) {
        const auto found = pieces_.find(*oldest);
        if (found->second.use_count() > 1) {
            ++oldest;
            continue;
        }
        pieces_.erase(found);
        oldest = order_.erase(oldest);
    }
}

Task<int> TableCache::store(Held piece, u64 first_byte, std::span<const std::byte> changed)
{
    const u64 start = first_byte / sector * sector;
    const u64 end = (first_byte + changed.size() + sector - 1) / sector * sector;
    Aligned sectors(end - start);
    std::memcpy(sectors.all().data(), piece->bytes.all().data() + start, end - start);
    std::memcpy(sectors.all().data() + (first_byte - start), changed.data(), changed.size());
    const int error = co_await file_.write(piece->offset + start, sectors.all());
    if (error == 0)
        std::memcpy(piece->bytes.all().data() + start, sectors.all().data(), end - start);
    else
        forget(piece->offset, piece_bytes_);
    co_return error;
}

void TableCache::forget(u64 offset, u64 bytes)
{
    for (u64 at = offset; at < offset + bytes; at += piece_bytes_)
        if (const auto found = pieces_.find(at); found != pieces_.end()) {
            order_.erase(found->second->place);
            pieces_.erase(found);
        }
}

}
