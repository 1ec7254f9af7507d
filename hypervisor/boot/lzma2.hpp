// LZMA2: the packed chunks inside an xz block.
#pragma once

#include "hypervisor/base/types.hpp"
#include "hypervisor/boot/unpack.hpp"

#include <span>

namespace xylem::boot {

/// The adaptive bit probabilities of LZMA, in 1/2048.
struct LzmaModel {
    static constexpr unsigned states = 12, position_states = 16, length_states = 4;

    struct Length {
        u16 beyond_low, beyond_mid;
        u16 low[position_states][8], mid[position_states][8], high[256];
    };

    u16 is_match[states][position_states];
    u16 is_rep[states], is_rep0[states], is_rep1[states], is_rep2[states];
    u16 is_long_rep0[states][position_states];
    u16 distance_slot[length_states][64];
    u16 distance_special[128];
    u16 distance_align[16];
    Length match_length, rep_length;
    u16 literal[16][0x300]; // LZMA2 keeps lc + lp at 4 or below
};

/// Unpacks chunks up to and with the end marker. The output is its own dictionary: matches reach back into `out`.
/// `in` must go on behind the packed data, as every xz file does: 20 bytes more are asked for than the data itself has.
UnpackResult unpack_lzma2(std::span<const u8> in, std::span<u8> out, LzmaModel& model);

}
