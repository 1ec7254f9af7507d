// The two checksums of xz files, eight bytes a step.
//
// The tables are made on first use in memory that the caller lends: they are needed once, at boot.
#pragma once

#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::boot {

/// A reflected CRC: Word is u32 or u64, Polynomial its reversed bits.
template <typename Word, Word Polynomial> class Crc {
public:
    /// Fills the tables. Entry [k][b] is what byte b contributes when k more bytes follow it.
    void prepare()
    {
        for (unsigned byte = 0; byte < 256; ++byte) {
            Word word = byte;
            for (unsigned bit = 0; bit < 8; ++bit)
                word = (word >> 1) ^ (word & 1 ? Polynomial : 0);
            table_[0][byte] = word;
        }
        for (unsigned k = 1; k < 8; ++k)
            for (unsigned byte = 0; byte < 256; ++byte)
                table_[k][byte] = (table_[k - 1][byte] >> 8) ^ table_[0][table_[k - 1][byte] & 0xff];
    }

    Word of(std::span<const u8> bytes) const
    {
        Word crc = ~Word{0};
        const u8* at = bytes.data();
        size_t left = bytes.size();
        for (; left >= 8; left -= 8, at += 8) {
            u64 word;
            __builtin_memcpy(&word, at, 8);
            word ^= crc;
            crc = table_[7][word & 0xff] ^ table_[6][word >> 8 & 0xff] ^ table_[5][word >> 16 & 0xff] ^
                  table_[4][word >> 24 & 0xff] ^ table_[3][word >> 32 & 0xff] ^ table_[2][word >> 40 & 0xff] ^
                  table_[1][word >> 48 & 0xff] ^ table_[0][word >> 56];
        }
        for (; left != 0; --left, ++at)
            crc = (crc >> 8) ^ table_[0][(crc ^ *at) & 0xff];
        return ~crc;
    }

private:
    Word table_[8][256];
};

using Crc32 = Crc<u32, 0xedb88320>;
using Crc64 = Crc<u64, 0xc96c5795d7870f42>;

}
