// Deflate, the packing inside gzip. (RFC 1951)
#pragma once

#include "hypervisor/base/types.hpp"
#include "hypervisor/boot/unpack.hpp"

#include <span>

namespace xylem::boot {

/// A prefix code, for decoding: codes of up to 9 bits are found by one look-up, longer ones by counting up.
struct PrefixCode {
    static constexpr unsigned longest = 15, direct_bits = 9, max_symbols = 288;

    u16 direct[1u << direct_bits]; // symbol << 4 | length; 0: no code that short
    u16 count[longest + 1];        // codes of each length
    u16 sorted[max_symbols];       // symbols by code length, then value
};

struct InflateWorkspace {
    PrefixCode literals, distances;
    u8 lengths[320];
};

/// Unpacks one deflate stream. The output is its own window.
UnpackResult inflate(std::span<const u8> in, std::span<u8> out, InflateWorkspace& workspace);

}
