// Bitmaps of processors and nodes in a caller's memory, of any length: what lies beyond 64 bits does not exist here.
#pragma once

#include "hypervisor/abi/types.hpp"
#include "hypervisor/core/guest_ptr.hpp"

namespace xylem::hypercall {

inline Result<u64> copy_bitmap_in(const abi::Bitmap& map)
{
    u64 bits = 0;
    const u32 bytes = map.nr_bits > 64 ? 8 : (map.nr_bits + 7) / 8;
    TRY(GuestIn<u8>(map.bitmap.address).copy_in_array(reinterpret_cast<u8*>(&bits), bytes));
    if (map.nr_bits < 64)
        bits &= (u64{1} << map.nr_bits) - 1;
    return bits;
}

/// The caller's bytes beyond the 64th bit are cleared.
inline Result<void> copy_bitmap_out(const abi::Bitmap& map, u64 bits)
{
    const u32 bytes = map.nr_bits / 8 + (map.nr_bits % 8 != 0);
    constexpr u32 longest = 8192; // bits for more processors than any machine has
    if (bytes > longest)
        return Error::Invalid;
    for (u32 i = 0; i < bytes; ++i)
        TRY(GuestOut<u8>(map.bitmap.address).copy_out(i < 8 ? static_cast<u8>(bits >> (i * 8)) : u8{0}, i));
    return {};
}

}
