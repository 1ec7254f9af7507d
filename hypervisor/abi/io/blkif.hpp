// The block protocol: what stands in the slots of a blkfront-blkback ring.
#pragma once

#include "hypervisor/abi/grant_table.hpp"
#include "hypervisor/abi/io/ring.hpp"

namespace xylem::abi::io {

enum class BlkifOp : uint8_t {
    read = 0,
    write = 1,
    write_barrier = 2,
    flush_diskcache = 3,
    discard = 5,
    indirect = 6,
};

enum class BlkifStatus : int16_t { okay = 0, error = -1, eopnotsupp = -2 };

/// A sector of this protocol has 512 bytes, whatever the disk's are.
inline constexpr uint32_t blkif_sector_bytes = 512;
inline constexpr uint32_t blkif_max_segments_per_request = 11;
inline constexpr uint32_t blkif_max_indirect_pages_per_request = 8;
inline constexpr uint32_t blkif_segments_per_indirect_page = 512;

struct BlkifRequestSegment {
    RawGrantRef gref;
    uint8_t first_sect, last_sect; // both inside, 0 to 7
};

struct BlkifRequest {
    BlkifOp operation;
    uint8_t nr_segments;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    BlkifRequestSegment seg[blkif_max_segments_per_request];
};

inline constexpr uint8_t blkif_discard_secure = 1 << 0;

struct BlkifRequestDiscard {
    BlkifOp operation;
    uint8_t flag;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    uint64_t nr_sectors;
};

struct BlkifRequestIndirect {
    BlkifOp operation;
    BlkifOp indirect_op;
    uint16_t nr_segments;
    uint64_t id;
    uint64_t sector_number;
    uint16_t handle;
    RawGrantRef indirect_grefs[blkif_max_indirect_pages_per_request];
};

struct BlkifResponse {
    uint64_t id;
    BlkifOp operation;
    BlkifStatus status;
};

using BlkifEntry = RingEntry<BlkifRequest, BlkifResponse>;

/// Bits of the backend's "info" key.
inline constexpr uint32_t vdisk_cdrom = 1;
inline constexpr uint32_t vdisk_removable = 2;
inline constexpr uint32_t vdisk_readonly = 4;

}
