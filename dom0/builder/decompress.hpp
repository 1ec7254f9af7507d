// Unpacks what Linux packs its kernels with: gzip, xz, zstd and lz4 (in lz4's legacy frames), told apart by their first
// bytes.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace xylem::dom0::builder {

enum class Compression { gzip, xz, zstd, lz4 };

/// @return nothing if `data` begins like none of them.
std::optional<Compression> compression_of(std::span<const std::byte> data);

std::string_view name_of(Compression compression);

/// Unpacks the stream at the start of `packed` into `size` bytes; what follows the stream is not looked at.
/// @throws BuildError  the stream is corrupt, ends early, or holds more or less than `size` bytes
std::vector<std::byte> decompress(Compression compression, std::span<const std::byte> packed, std::size_t size);

}
