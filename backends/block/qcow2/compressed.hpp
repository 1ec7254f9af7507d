// Compressed clusters: where their bytes lie, and what they unpack to.
#pragma once

#include "backends/block/qcow2/header.hpp"

namespace xylem::backends::block::qcow2 {

/// Where a compressed cluster's data lie: within whole sectors, not whole clusters, of the file.
struct PackedPlace {
    u64 offset; ///< the first byte
    u64 bytes;  ///< up to the end of the last sector: at least as many as there are
};

PackedPlace packed_place(const Header& header, u64 l2_entry);

/// Unpacks to exactly `to.size()` bytes. @return false  the data are damaged
bool unpack(Compression how, std::span<const std::byte> from, std::span<std::byte> to);

}
