// See layout.hpp.
#include "dom0/builder/layout.hpp"

#include "dom0/builder/error.hpp"
#include "hypervisor/abi/x86_64/layout.hpp"

#include <fmt/format.h>

namespace xylem::dom0::builder {

namespace {

constexpr u64 slack_frames = (512 << 10) >> page_shift;
constexpr u64 region_multiple = (4 << 20) >> page_shift;

constexpr u64 round_up(u64 value, u64 multiple)
{
    return (value + multiple - 1) / multiple * multiple;
}

constexpr u64 p2m_frames(u64 pages)
{
    return pages_for(pages * sizeof(u64));
}

Frames take(u64& next, u64 count)
{
    const Frames taken{next, count};
    next += count;
    return taken;
}

void check_fits(u64 needed, u64 pages)
{
    if (needed > pages)
        throw BuildError(fmt::format("it needs at least {} MiB of memory to start; the domain has {} MiB",
                                     (needed * page_size + (1 << 20) - 1) >> 20, pages * page_size >> 20));
}

/// The page tables lie in the region that they map, so that their number is found by trying.
void place_tables(Layout& layout, u64& next)
{
    u64 tables = 0;
    for (u64 needed = 1; needed != tables;) {
        tables = needed;
        layout.mapped = round_up(next + tables + 1 + slack_frames, region_multiple);
        needed = TableTree().missing({layout.virt_base, 0, layout.mapped});
    }
    layout.page_tables = take(next, tables);
    layout.stack = take(next, 1);
    layout.tables.add({layout.virt_base, 0, layout.mapped}, layout.page_tables.first);
}

void place_p2m_area(Layout& layout, u64 address, u64& next)
{
    const u64 start = next;
    layout.p2m = take(next, p2m_frames(layout.pages));
    layout.p2m_address = address;
    next = layout.tables.add({address, layout.p2m.first, layout.p2m.count}, next);
    layout.p2m_area = Frames{start, next - start};
}

bool usable(u64 address, u64 bytes)
{
    const u64 last = address + bytes - 1;
    const bool wraps = last < address;
    const bool reaches_hole = address < abi::hypervisor_virt_end && last >= abi::hypervisor_virt_start;
    return !wraps && abi::is_canonical(address) && abi::is_canonical(last) && !reaches_hole &&
           (address < abi::lower_half_end) == (last < abi::lower_half_end);
}

void check_addresses(const Kernel& kernel, const Layout& layout)
{
    const u64 region = layout.mapped << page_shift;
    if (!usable(layout.virt_base, region) || layout.virt_base % page_size != 0)
        throw BuildError(
            fmt::format("its VIRT_BASE {:#x} is no address where a guest's memory can lie", layout.virt_base));
    const auto outside = [&](u64 address) { return address - layout.virt_base >= region; };
    if (outside(kernel.notes.entry))
        throw BuildError(fmt::format("its entry point {:#x} lies outside of its memory", kernel.notes.entry));
    const auto& page = kernel.notes.hypercall_page;
    if (page && (outside(*page) || *page % page_size != 0))
        throw BuildError(fmt::format("its hypercall page {:#x} lies outside of its memory", *page));
    if (!layout.p2m_area)
        return;
    const u64 list = layout.p2m.count << page_shift;
    const u64 at = layout.p2m_address;
    const bool overlaps = at < layout.virt_base + region && layout.virt_base < at + list;
    if (!usable(at, list) || at % page_size != 0 || overlaps)
        throw BuildError(fmt::format("its INIT_P2M {:#x} is no address where the p2m list can lie", at));
}

}

Layout plan_layout(const Kernel& kernel, u64 ramdisk_bytes, u64 pages)
{
    Layout layout;
    layout.virt_base = kernel.notes.virt_base;
    layout.pages = pages;
    const u64 ramdisk_frames = pages_for(ramdisk_bytes);
    u64 next = pages_for(kernel.end);
    check_fits(next + ramdisk_frames, pages);
    if (ramdisk_bytes != 0 && !kernel.notes.mod_start_pfn)
        layout.ramdisk = take(next, ramdisk_frames);
    if (!kernel.notes.init_p2m) {
        layout.p2m = take(next, p2m_frames(pages));
        layout.p2m_address = layout.address_of(layout.p2m).value;
    }
    layout.start_info = take(next, 1);
    layout.store_ring = take(next, 1);
    layout.console_ring = take(next, 1);
    place_tables(layout, next);
    next = layout.mapped;
    if (ramdisk_bytes != 0 && kernel.notes.mod_start_pfn)
        layout.ramdisk = take(next, ramdisk_frames);
    if (kernel.notes.init_p2m)
        place_p2m_area(layout, *kernel.notes.init_p2m, next);
    check_fits(next, pages);
    check_addresses(kernel, layout);
    return layout;
}

}
