// Words for the ways in which unpacking fails.

#include "hypervisor/boot/unpack.hpp"

namespace xylem::boot {

const char* describe(UnpackError error)
{
    switch (error) {
    case UnpackError::None:
        return "no error";
    case UnpackError::NotThisFormat:
        return "the packed data does not begin with its format's magic number";
    case UnpackError::Truncated:
        return "the packed data ends too early; copy the file again";
    case UnpackError::Corrupt:
        return "the packed data is damaged; copy the file again";
    case UnpackError::UnsupportedFilter:
        return "the packed data needs a filter other than LZMA2 and x86 BCJ; repack it with those";
    case UnpackError::UnsupportedCheck:
        return "the packed data has a check other than CRC32 and CRC64; repack it with --check=crc32";
    case UnpackError::OutputTooSmall:
        return "the packed data holds more than the size it was announced with";
    }
    return "unknown error";
}

}
