// The firmware's memory map, kept for dom0, and what it says about RAM.

#include "hypervisor/mm/host_memory.hpp"

#include "hypervisor/mm/frame.hpp"

namespace xylem::mm {
namespace {

constexpr Mfn first_megabyte_end{0x100};

abi::E820Entry kept[max_memory_map_entries];
unsigned kept_entries = 0;

void mark_entry(const abi::E820Entry& entry)
{
    if (entry.type != static_cast<u32>(abi::E820Type::ram))
        return;
    Mfn first(round_up_to_page(entry.addr) >> page_shift);
    Mfn last((entry.addr + entry.size) >> page_shift);
    if (first < first_megabyte_end)
        first = first_megabyte_end;
    if (last > machine::max_mfn)
        last = machine::max_mfn;
    if (first < last)
        mark_ram(first, last);
}

}

void set_host_memory_map(std::span<const abi::E820Entry> entries)
{
    kept_entries = 0;
    for (const abi::E820Entry& entry : entries) {
        if (kept_entries < max_memory_map_entries)
            kept[kept_entries++] = entry;
        mark_entry(entry);
    }
}

u64 host_ram_pages()
{
    u64 pages = 0;
    for (const abi::E820Entry& entry : host_memory_map()) {
        const u64 first = round_up_to_page(entry.addr) >> page_shift;
        const u64 last = (entry.addr + entry.size) >> page_shift;
        if (entry.type == static_cast<u32>(abi::E820Type::ram) && first < last)
            pages += last - first;
    }
    return pages;
}

std::span<const abi::E820Entry> host_memory_map()
{
    return {kept, kept_entries};
}

}
