// Where everything lies that a new PV domain finds in its memory, in pseudo-physical frames: a plan, made before any
// memory is given out, so that a domain that cannot be built is never begun.
//
// From the address that its kernel calls VIRT_BASE, which is pfn 0, there follow (xen.h, "start of day"): the kernel,
// the ramdisk unless the kernel takes it unmapped, the p2m list unless the kernel wants it elsewhere, start_info, the
// store's and the console's rings, the page tables, a boot stack of one page, and at least 512 KiB of slack up to a
// multiple of 4 MiB. Behind this mapped region lie, unmapped, the ramdisk, and the p2m list with the page tables that
// map it at INIT_P2M.
#pragma once

#include "dom0/builder/kernel.hpp"
#include "dom0/builder/table_tree.hpp"

#include <optional>

namespace xylem::dom0::builder {

/// A run of frames.
struct Frames {
    u64 first = 0;
    u64 count = 0;
    u64 end() const { return first + count; }
};

struct Layout {
    u64 virt_base = 0;
    u64 mapped = 0; ///< frames in the region that is mapped from virt_base on
    u64 pages = 0;  ///< the domain's frames
    std::optional<Frames> ramdisk;
    Frames p2m; ///< the list itself
    u64 p2m_address = 0;
    std::optional<Frames> p2m_area; ///< with INIT_P2M: the list and the tables that map it
    Frames start_info;
    Frames store_ring;
    Frames console_ring;
    Frames page_tables; ///< those of the mapped region; the first is the root
    Frames stack;
    TableTree tables; ///< all page tables, those in p2m_area too

    VirtualAddress address_of(const Frames& frames) const
    {
        return VirtualAddress(virt_base + (frames.first << page_shift));
    }
};

/// @throws BuildError  a sentence, in which the kernel is "it"
Layout plan_layout(const Kernel& kernel, u64 ramdisk_bytes, u64 pages);

}
