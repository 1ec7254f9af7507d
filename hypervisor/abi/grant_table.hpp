// Grant tables: the entries a domain writes to let others use its frames, and grant_table_op.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

using RawGrantRef = uint32_t;
using RawGrantHandle = uint32_t;

/// One grant, version 1. `flags` changes by compare-exchange on both sides; the rest only while flags is invalid.
struct GrantEntryV1 {
    uint16_t flags; // gtf_*
    RawDomId domid;
    uint32_t frame;
};

inline constexpr uint32_t grant_nr_reserved_entries = 8;
inline constexpr RawGrantRef grant_reserved_console = 0;
inline constexpr RawGrantRef grant_reserved_xenstore = 1;

inline constexpr uint16_t gtf_invalid = 0;
inline constexpr uint16_t gtf_permit_access = 1;
inline constexpr uint16_t gtf_accept_transfer = 2;
inline constexpr uint16_t gtf_transitive = 3;
inline constexpr uint16_t gtf_type_mask = 3;
inline constexpr uint16_t gtf_readonly = 1 << 2;
inline constexpr uint16_t gtf_reading = 1 << 3;
inline constexpr uint16_t gtf_writing = 1 << 4;
inline constexpr uint16_t gtf_pwt = 1 << 5;
inline constexpr uint16_t gtf_pcd = 1 << 6;
inline constexpr uint16_t gtf_pat = 1 << 7;
inline constexpr uint16_t gtf_sub_page = 1 << 8;
inline constexpr uint16_t gtf_transfer_committed = 1 << 2;
inline constexpr uint16_t gtf_transfer_completed = 1 << 3;

struct GrantEntryHeader {
    uint16_t flags;
    RawDomId domid;
};

/// One grant, version 2.
union GrantEntryV2 {
    GrantEntryHeader hdr;
    struct FullPage {
        GrantEntryHeader hdr;
        uint32_t pad0;
        uint64_t frame;
    } full_page;
    struct SubPage {
        GrantEntryHeader hdr;
        uint16_t page_off;
        uint16_t length;
        uint64_t frame;
    } sub_page;
    struct Transitive {
        GrantEntryHeader hdr;
        RawDomId trans_domid;
        uint16_t pad0;
        RawGrantRef gref;
    } transitive;
    uint32_t spacer[4];
};

enum class GnttabCmd : uint32_t {
    map_grant_ref = 0,
    unmap_grant_ref = 1,
    setup_table = 2,
    dump_table = 3,
    transfer = 4,
    copy = 5,
    query_size = 6,
    unmap_and_replace = 7,
    set_version = 8,
    get_status_frames = 9,
    get_version = 10,
    swap_grant_ref = 11,
    cache_flush = 12,
};

/// What an operation writes into its `status`.
enum class GnttabStatus : int16_t {
    okay = 0,
    general_error = -1,
    bad_domain = -2,
    bad_gntref = -3,
    bad_handle = -4,
    bad_virt_addr = -5,
    bad_dev_addr = -6,
    no_device_space = -7,
    permission_denied = -8,
    bad_page = -9,
    bad_copy_arg = -10,
    address_too_big = -11,
    eagain = -12,
    no_space = -13,
};

inline constexpr uint32_t gntmap_device_map = 1U << 0;
inline constexpr uint32_t gntmap_host_map = 1U << 1;
inline constexpr uint32_t gntmap_readonly = 1U << 2;
inline constexpr uint32_t gntmap_application_map = 1U << 3;
inline constexpr uint32_t gntmap_contains_pte = 1U << 4;
inline constexpr unsigned gntmap_guest_avail0 = 16;
inline constexpr uint32_t gntmap_guest_avail_mask = ~uint32_t{0} << gntmap_guest_avail0;

struct GnttabMapGrantRef {
    uint64_t host_addr;
    uint32_t flags; // gntmap_*
    RawGrantRef ref;
    RawDomId dom;
    GnttabStatus status;
    RawGrantHandle handle;
    uint64_t dev_bus_addr;
};

struct GnttabUnmapGrantRef {
    uint64_t host_addr;
    uint64_t dev_bus_addr;
    RawGrantHandle handle;
    GnttabStatus status;
};

struct GnttabSetupTable {
    RawDomId dom;
    uint32_t nr_frames;
    GnttabStatus status;
    GuestHandle<RawFrame> frame_list;
};

struct GnttabDumpTable {
    RawDomId dom;
    GnttabStatus status;
};

struct GnttabTransfer {
    RawFrame mfn;
    RawDomId domid;
    RawGrantRef ref;
    GnttabStatus status;
};

inline constexpr uint16_t gntcopy_source_gref = 1 << 0;
inline constexpr uint16_t gntcopy_dest_gref = 1 << 1;

struct GnttabCopy {
    struct Pointer {
        union Page {
            RawGrantRef ref;
            RawFrame gmfn;
        } u;
        RawDomId domid;
        uint16_t offset;
    } source, dest;
    uint16_t len;
    uint16_t flags; // gntcopy_*
    GnttabStatus status;
};

struct GnttabQuerySize {
    RawDomId dom;
    uint32_t nr_frames;
    uint32_t max_nr_frames;
    GnttabStatus status;
};

struct GnttabUnmapAndReplace {
    uint64_t host_addr;
    uint64_t new_addr;
    RawGrantHandle handle;
    GnttabStatus status;
};

struct GnttabSetVersion {
    uint32_t version;
};

struct GnttabGetStatusFrames {
    uint32_t nr_frames;
    RawDomId dom;
    GnttabStatus status;
    GuestHandle<RawFrame> frame_list;
};

struct GnttabGetVersion {
    RawDomId dom;
    uint16_t pad;
    uint32_t version;
};

struct GnttabSwapGrantRef {
    RawGrantRef ref_a;
    RawGrantRef ref_b;
    GnttabStatus status;
};

inline constexpr uint32_t gnttab_cache_clean = 1U << 0;
inline constexpr uint32_t gnttab_cache_inval = 1U << 1;
inline constexpr uint32_t gnttab_cache_source_gref = 1U << 31;

struct GnttabCacheFlush {
    union Page {
        uint64_t dev_bus_addr;
        RawGrantRef ref;
    } a;
    uint16_t offset;
    uint16_t length;
    uint32_t op; // gnttab_cache_*
};

}
