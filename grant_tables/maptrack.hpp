// Maptrack: the grants that a domain has mapped, by handle.
//
// A handle in use holds a general reference on the frame, and a writable type reference for a device's writable
// mapping. What a page-table entry holds is the entry's own, and goes with it if the guest overwrites it; the handle
// then still keeps the frame, and with it the granter's table, until it is unmapped or its domain ends.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::grant_tables {

struct Table;

inline constexpr u8 mapping_host = 1;   ///< mapped for a processor
inline constexpr u8 mapping_device = 2; ///< mapped for a device
inline constexpr u8 mapping_read_only = 4;
inline constexpr u8 mapping_contains_pte = 8; ///< host_addr names the page-table entry itself
inline constexpr u8 mapping_halves = mapping_host | mapping_device;

struct Mapping {
    Table* granter; ///< null: the handle is free
    u32 frame;      ///< of a free handle: the next free one
    u16 ref;
    u8 flags;   ///< mapping_*; a half that is being unmapped is no longer in it
    u8 leaving; ///< halves whose unmapping waits for the flush
};
static_assert(sizeof(Mapping) == 16);

inline constexpr u32 mappings_per_page = page_size / sizeof(Mapping);

/// Handles of one domain. Under its table's lock.
class Maptrack {
public:
    /// The most pages of mappings it may have.
    void set_limit(u32 pages) { page_limit_ = pages; }
    /// A free handle, which stays free until its `granter` is set, but is not given out again. @return NoSpace
    Result<u32> allocate();
    void release(u32 handle);
    /// @return null if there never was such a handle
    Mapping* at(u32 handle) const;
    u32 handles() const { return page_count_ * mappings_per_page; }
    void free_storage();

private:
    Result<void> add_page();

    static constexpr u32 none = ~u32{0};
    Mapping** pages_ = nullptr;
    u32 page_limit_ = 0;
    u32 page_count_ = 0;
    u32 first_free_ = none;
};

}
