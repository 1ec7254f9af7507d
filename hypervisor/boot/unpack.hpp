// What the unpackers of kernel images share: how they fail, and what they tell on success.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::boot {

enum class [[nodiscard]] UnpackError : u8{
    None,
    NotThisFormat,     // the magic number is another's
    Truncated,         // the input ends too early
    Corrupt,           // the input contradicts itself, or a checksum is wrong
    UnsupportedFilter, // valid, but made with a filter other than LZMA2 and x86 BCJ
    UnsupportedCheck,  // valid, but with a check other than none, CRC32 and CRC64
    OutputTooSmall,    // the unpacked data is larger than the room given
};

struct UnpackResult {
    UnpackError error = UnpackError::None;
    size_t input_used = 0;  // bytes of the packed stream; more may follow it
    size_t output_size = 0; // bytes unpacked

    bool ok() const { return error == UnpackError::None; }
};

/// For a log line: "the kernel cannot be unpacked: <this>".
const char* describe(UnpackError error);

}
