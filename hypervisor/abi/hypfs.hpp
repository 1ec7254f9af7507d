// hypfs_op: the hypervisor's parameters as a tree of small files.
#pragma once

#include <stdint.h>

namespace xylem::abi {

enum class HypfsCmd : uint32_t { get_version = 0, read = 1, write_contents = 2 };

inline constexpr uint32_t hypfs_version = 1;

enum class HypfsType : uint8_t { dir = 0, blob = 1, string = 2, uint = 3, int_ = 4, boolean = 5 };
enum class HypfsEncoding : uint8_t { plain = 0, gzip = 1 };

struct HypfsDirentry {
    HypfsType type;
    HypfsEncoding encoding;
    uint16_t pad;
    uint32_t content_len;
    uint32_t max_write_len;
};

/// Followed by the name, ended by a zero byte.
struct HypfsDirlistentry {
    HypfsDirentry e;
    uint16_t off_next;
};

}
