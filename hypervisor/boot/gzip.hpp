// Unpacks .gz files: one member, checked by its CRC32 and its size. (RFC 1952)
#pragma once

#include "hypervisor/base/types.hpp"
#include "hypervisor/boot/crc.hpp"
#include "hypervisor/boot/inflate.hpp"
#include "hypervisor/boot/unpack.hpp"

#include <span>

namespace xylem::boot {

/// The memory that unpacking needs beside input and output: some 12 KiB, of no use afterwards.
struct GzipWorkspace {
    InflateWorkspace inflate;
    Crc32 crc32;
};

bool is_gzip(std::span<const u8> in);

/// Unpacks the member that `in` begins with. What follows it is left alone; `input_used` says where that begins.
UnpackResult unpack_gzip(std::span<const u8> in, std::span<u8> out, GzipWorkspace& workspace);

}
