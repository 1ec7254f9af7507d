// Unpacks .xz files: one stream of LZMA2 blocks, with or without the x86 branch filter, checked by CRC32, CRC64 or
// nothing. That is what `xz --x86 --lzma2 --check=crc32` makes of a kernel.
#pragma once

#include "hypervisor/base/types.hpp"
#include "hypervisor/boot/crc.hpp"
#include "hypervisor/boot/lzma2.hpp"
#include "hypervisor/boot/unpack.hpp"

#include <span>

namespace xylem::boot {

/// The memory that unpacking needs beside input and output: some 60 KiB, of no use afterwards.
struct XzWorkspace {
    LzmaModel model;
    Crc32 crc32;
    Crc64 crc64;
};

bool is_xz(std::span<const u8> in);

/// Unpacks the stream that `in` begins with. What follows the stream is left alone; `input_used` says where that
/// begins.
UnpackResult unpack_xz(std::span<const u8> in, std::span<u8> out, XzWorkspace& workspace);

}
