// Finds the kernel inside a bzImage. (Linux's Documentation/x86/boot.rst, "The real-mode kernel header")
#pragma once

#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::boot {

enum class Packing : u8 { None, Gzip, Xz, Other };

struct BzImagePayload {
    std::span<const u8> bytes; ///< the packed kernel, with what its packer appended
    Packing packing = Packing::Other;
    size_t unpacked_size = 0;
};

enum class [[nodiscard]] BzImageError : u8{
    None, NotABzImage,
    TooOld,    // boot protocol before 2.08 does not say where the payload lies
    Truncated, // the payload lies beyond the end of the file
};

const char* describe(BzImageError error);

bool is_bzimage(std::span<const u8> image);
BzImageError find_payload(std::span<const u8> image, BzImagePayload& out);

}
