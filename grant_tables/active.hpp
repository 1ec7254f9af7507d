// A grant in use: what the hypervisor holds of an entry of a domain's grant table, beside what the domain wrote there.
//
// The domain's entry is hostile memory. It is read once when the first use begins: flags and domain as one word, which
// a compare-exchange then marks as being read or written; then the frame. From there on this copy counts.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::grant_tables {

/// Uses of one grant, by kind. Each count stops at 255: the next use is refused (XSA-213 and later: never let one
/// wrap).
struct Pins {
    u8 host_readers, host_writers, device_readers, device_writers;

    bool none() const { return (host_readers | host_writers | device_readers | device_writers) == 0; }
    bool written() const { return (host_writers | device_writers) != 0; }
};

/// Zero while the grant is not in use.
struct ActiveEntry {
    u32 frame;    ///< the frame granted, as read when the first use began
    DomId domain; ///< who uses it
    u16 page_off; ///< where in the page the bytes begin that may be copied,
    u16 length;   ///< and how many they are
    Pins pins;
    bool sub_page; ///< it grants these bytes alone, and cannot be mapped
};
static_assert(sizeof(ActiveEntry) == 16);

inline constexpr u32 active_entries_per_page = page_size / sizeof(ActiveEntry);

/// What a use wants of a grant.
enum class Access : u8 { read_only, writable };
struct Use {
    Access access;
    bool host;   ///< a mapping for a processor, or a copy
    bool device; ///< a mapping for a device
};

}
