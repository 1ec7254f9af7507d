// The hypervisor's part of every address space, built once.
//
// Permissions: nothing is both writable and executable. The image's text is read-only here and in the direct map; its
// other parts, the direct map, tables and stacks are not executable. The only pages that a guest may read are the M2P's
// second view.
//
// The upper-level tables of slots 256 to 259 and of the direct map are made here and never change, so that a guest's
// root that copies the template's entries sees all that is mapped later below them.

#include "hypervisor/arch/x86_64/paging.hpp"

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/boot_memory.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/mm/frame.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/host_memory.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/roots.hpp"

#include <string.h>

extern "C" char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], image_end[];

namespace xylem::machine {

u8* direct_map = nullptr;
Mfn max_mfn{};

}

namespace xylem::arch {
namespace {

namespace pte = abi::pte;

constexpr u64 load_address = 0x200000;
constexpr u64 table_flags = pte::present | pte::writable | pte::user; // the last level decides
constexpr u64 data_flags = pte::writable | pte::no_execute;
constexpr u64 device_flags = data_flags | pte::cache_disable | pte::write_through;
constexpr u64 used_flags = pte::present | pte::accessed | pte::dirty;
constexpr u64 bytes_2m = u64{1} << 21, bytes_1g = u64{1} << 30;
constexpr u64 frames_2m = bytes_2m / page_size;
constexpr Mfn end_of_first_megabyte{0x100}, end_of_early_map{u64{1} << 20};
constexpr u64 least_frames = (u64{48} << 20) / page_size;
constexpr u64 frames_per_m2p_chunk = bytes_2m / sizeof(u64);

BootMemory boot_memory;
bool heap_is_ready = false;
u64* root = nullptr;
Mfn root_mfn;
bool has_1g_pages = false;
SpinLock device_lock{LockRank::page_alloc}; // tables for devices come from the heap
u64 next_device_address = LAYOUT_DEVICES;

/// A page table or other frame of ours: below 4 GiB until the direct map stands, since the early one ends there.
u64* table_at(Mfn mfn)
{
    return reinterpret_cast<u64*>(LAYOUT_DIRECT_MAP + (mfn.value << page_shift));
}

Mfn allocate_table()
{
    if (heap_is_ready) {
        Result<Mfn> frame = mm::allocate_frame();
        XYLEM_ASSERT(frame.ok(), "no memory for a page table of the hypervisor");
        return frame.value();
    }
    const Mfn frame = boot_memory.take(1, 1, end_of_early_map);
    if (frame == invalid_mfn)
        refuse_to_boot("no memory below 4 GiB for the hypervisor's page tables");
    memset(table_at(frame), 0, page_size);
    return frame;
}

/// The entry for `address` in the table of `level`, with the tables above it made.
u64* entry_for(u64 address, unsigned level)
{
    u64* table = root;
    for (unsigned at = 4;; --at) {
        u64* entry = &table[abi::page_table_index(address, at)];
        if (at == level)
            return entry;
        if (!(*entry & pte::present))
            *entry = (allocate_table().value << page_shift) | table_flags;
        table = table_at(Mfn((*entry & pte::frame_mask) >> page_shift));
    }
}

/// Maps [start, start + bytes) at `address` with the largest pages that fit; replaces what was mapped by pages of that
/// size.
void map_range(u64 address, u64 start, u64 bytes, u64 flags)
{
    const u64 end = address + bytes;
    while (address < end) {
        unsigned level = 1;
        u64 step = page_size;
        const auto fits = [&](u64 size) { return (address | start) % size == 0 && end - address >= size; };
        if (has_1g_pages && fits(bytes_1g))
            level = 3, step = bytes_1g;
        else if (fits(bytes_2m))
            level = 2, step = bytes_2m;
        *entry_for(address, level) = start | flags | used_flags | (level > 1 ? pte::page_size : 0);
        address += step;
        start += step;
    }
}

u64 load_address_of(const char* symbol)
{
    return reinterpret_cast<u64>(symbol) - LAYOUT_IMAGE + load_address;
}

void map_image_part(const char* start, const char* end, u64 flags)
{
    for (const char* at = start; at < end; at += page_size)
        *entry_for(reinterpret_cast<u64>(at), 1) = load_address_of(at) | flags | used_flags;
}

void map_image()
{
    map_image_part(text_start, text_end, 0);
    map_image_part(rodata_start, rodata_end, pte::no_execute);
    map_image_part(data_start, image_end, data_flags);
}

/// Maps RAM [start, end) of the direct map; the image's text and constants in it read-only.
void map_ram(u64 start, u64 end)
{
    const u64 fixed_start = load_address_of(text_start), fixed_end = load_address_of(rodata_end);
    const auto part = [](u64 from, u64 to, u64 flags) {
        if (from < to)
            map_range(LAYOUT_DIRECT_MAP + from, from, to - from, flags);
    };
    const auto lower = [](u64 a, u64 b) { return a < b ? a : b; };
    const auto higher = [](u64 a, u64 b) { return a > b ? a : b; };
    part(start, lower(end, fixed_start), data_flags);
    part(higher(start, fixed_start), lower(end, fixed_end), pte::no_execute);
    part(higher(start, fixed_end), end, data_flags);
}

bool is_ram(const abi::E820Entry& entry)
{
    return entry.type == static_cast<u32>(abi::E820Type::ram);
}

/// Whole pages of an entry of RAM above the first megabyte. @return false if there are none
bool ram_frames(const abi::E820Entry& entry, Mfn& first, Mfn& last)
{
    first = Mfn(pages_for(entry.addr));
    last = Mfn((entry.addr + entry.size) >> page_shift);
    if (first < end_of_first_megabyte)
        first = end_of_first_megabyte;
    if (last.value > mm::max_frames)
        last = Mfn(mm::max_frames);
    return is_ram(entry) && first < last;
}

void map_direct_map(const BootInfo& info)
{
    // The first megabyte whole: BIOS data, the screen's text, option ROMs.
    map_range(LAYOUT_DIRECT_MAP, 0, end_of_first_megabyte.value << page_shift, data_flags);
    Mfn first, last;
    for (const abi::E820Entry& entry : info.memory_map())
        if (ram_frames(entry, first, last)) {
            map_ram(first.value << page_shift, last.value << page_shift);
            if (last > machine::max_mfn)
                machine::max_mfn = last;
        }
}

/// Backs a table indexed by frame number: `frames_per_chunk` entries fill 2 MiB. `alias` is a second view, or 0.
void back_table(const BootInfo& info, u64 address, u64 frames_per_chunk, u64 alias)
{
    Mfn first, last;
    for (const abi::E820Entry& entry : info.memory_map()) {
        if (!ram_frames(entry, first, last))
            continue;
        for (u64 chunk = first.value / frames_per_chunk; chunk <= (last.value - 1) / frames_per_chunk; ++chunk) {
            u64* place = entry_for(address + chunk * bytes_2m, 2);
            if (*place & pte::present)
                continue;
            const Mfn frames = boot_memory.take(frames_2m, frames_2m);
            if (frames == invalid_mfn)
                refuse_to_boot(
                    "no memory for the table of frames: this machine has too little, or in too small pieces");
            *place = (frames.value << page_shift) | data_flags | used_flags | pte::page_size;
            if (alias)
                *entry_for(alias + chunk * bytes_2m, 2) =
                    (frames.value << page_shift) | pte::user | pte::no_execute | used_flags | pte::page_size;
        }
    }
}

void fill_table(const BootInfo& info, u64 address, u64 frames_per_chunk, u8 with)
{
    Mfn first, last;
    u64 filled_to = 0;
    for (const abi::E820Entry& entry : info.memory_map())
        if (ram_frames(entry, first, last))
            for (u64 chunk = first.value / frames_per_chunk; chunk <= (last.value - 1) / frames_per_chunk; ++chunk)
                if (chunk >= filled_to) {
                    memset(reinterpret_cast<void*>(address + chunk * bytes_2m), with, bytes_2m);
                    filled_to = chunk + 1;
                }
}

void reserve_what_is_in_use(const BootInfo& info)
{
    boot_memory.reserve(Mfn(load_address >> page_shift), Mfn(pages_for(load_address_of(image_end))));
    for (unsigned i = 0; i < info.module_count; ++i) {
        const BootModule& module = info.modules[i];
        boot_memory.reserve(Mfn(module.start.value >> page_shift), Mfn(pages_for(module.start.value + module.bytes)));
    }
}

void give_rest_to_heap()
{
    heap_is_ready = true;
    for (const BootMemory::Run& run : boot_memory.runs())
        mm::add_ram(run.first, run.last);
}

void* map_bytes(MachineAddress start, u64 bytes, u64 flags)
{
    const u64 first = round_down_to_page(start.value), end = round_up_to_page(start.value + bytes);
    LockGuard guard(device_lock);
    const u64 address = next_device_address;
    next_device_address += end - first + page_size; // an unmapped page between any two
    for (u64 at = first; at < end; at += page_size)
        map_page(address + at - first, Mfn(at >> page_shift), flags);
    return reinterpret_cast<void*>(address + (start.value - first));
}

}

void map_page(u64 address, Mfn mfn, u64 flags)
{
    *entry_for(address, 1) = (mfn.value << page_shift) | flags | used_flags;
}

/// Frees a table of `level` and those below it.
static void free_tables(u64 entry, unsigned level)
{
    const Mfn table((entry & pte::frame_mask) >> page_shift);
    for (unsigned i = 0; level > 1 && i < abi::page_table_entries; ++i)
        if (const u64 below = table_at(table)[i])
            free_tables(below, level - 1);
    mm::free_frame(table);
}

void unmap_lower_half()
{
    for (unsigned slot = 0; slot < abi::page_table_entries / 2; ++slot)
        if (root[slot]) {
            free_tables(root[slot], 3);
            root[slot] = 0;
        }
    machine::load_root(template_root());
}

void* map_device_bytes(MachineAddress start, u64 bytes)
{
    return map_bytes(start, bytes, device_flags);
}

const void* map_table_bytes(MachineAddress start, u64 bytes)
{
    return map_bytes(start, bytes, pte::no_execute);
}

MachineAddress template_root()
{
    return address_of(root_mfn);
}

void build_address_space()
{
    const BootInfo& info = boot_info();
    has_1g_pages = cpuid(0x80000000).a >= 0x80000001 && cpuid(0x80000001).d >> 26 & 1;
    boot_memory.add_map(info.memory_map(), end_of_first_megabyte);
    reserve_what_is_in_use(info);
    if (boot_memory.free_frames() < least_frames)
        refuse_to_boot(
            "this machine has too little memory: {} MiB are free beside the hypervisor and dom0's kernel and initrd, "
            "at least {} MiB are needed",
            boot_memory.free_frames() * page_size >> 20, least_frames * page_size >> 20);

    root_mfn = allocate_table();
    root = table_at(root_mfn);
    map_direct_map(info);
    map_image();
    back_table(info, LAYOUT_FRAME_TABLE, mm::frames_per_group, 0);
    back_table(info, LAYOUT_M2P, frames_per_m2p_chunk, LAYOUT_M2P_GUEST);
    entry_for(LAYOUT_DEVICES, 3);
    asm volatile("mov %0, %%cr3" ::"r"(root_mfn.value << page_shift) : "memory");

    machine::direct_map = reinterpret_cast<u8*>(LAYOUT_DIRECT_MAP);
    mm::frame_table = reinterpret_cast<mm::Frame*>(LAYOUT_FRAME_TABLE);
    mm::m2p = reinterpret_cast<u64*>(LAYOUT_M2P);
    mm::template_root = root;
    fill_table(info, LAYOUT_FRAME_TABLE, mm::frames_per_group, 0);
    fill_table(info, LAYOUT_M2P, frames_per_m2p_chunk, 0xff);
    mm::set_host_memory_map(info.memory_map());
    give_rest_to_heap();
    log(LogLevel::info, "Memory: {} MiB free, highest frame {:x}", mm::free_frame_count() * page_size >> 20,
        machine::max_mfn);
}

}
