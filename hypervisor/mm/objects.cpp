// Small objects of the hypervisor: a page of each size class is cut into equal slots. Everything about such a page
// stands in its Frame, so that slots of 2^n bytes are aligned to 2^n. Larger storage is whole frames.

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap_internal.hpp"
#include "hypervisor/mm/owner.hpp"

#include <bit>

namespace xylem::mm {
namespace {

constexpr unsigned smallest_class = 4, largest_class = 11; // 16 to 2048 bytes
constexpr u16 object_page = 0x8000;                        // in Frame::order, with the class
constexpr u16 no_slot = 0xffff;

FrameList pages_with_room[largest_class + 1];

/// Frame::type_info of an object page: which slot is the first free one, and how many are in use.
struct Slots {
    u16 first_free = no_slot, used = 0;

    static Slots of(const Frame& f) { return {static_cast<u16>(f.type_info), static_cast<u16>(f.type_info >> 16)}; }
    void store(Frame& f) const { f.type_info = u64{used} << 16 | first_free; }
};

/// A free slot holds the number of the next one.
u16& link(Mfn page, unsigned size_class, u16 slot)
{
    return *reinterpret_cast<u16*>(machine::map(page) + (size_t{slot} << size_class));
}

Mfn new_object_page(unsigned size_class)
{
    const Result<Mfn> fresh = allocate_frame();
    if (!fresh.ok())
        return invalid_mfn;
    const Mfn page = fresh.value();
    const u16 slots = static_cast<u16>(page_size >> size_class);
    for (u16 i = 0; i < slots; ++i)
        link(page, size_class, i) = static_cast<u16>(i + 1 < slots ? i + 1 : no_slot);
    frame(page).order = static_cast<u16>(object_page | size_class);
    Slots{0, 0}.store(frame(page));
    return page;
}

void* take_slot(Mfn page, unsigned size_class)
{
    Frame& f = frame(page);
    Slots slots = Slots::of(f);
    void* storage = machine::map(page) + (size_t{slots.first_free} << size_class);
    slots.first_free = link(page, size_class, slots.first_free);
    ++slots.used;
    slots.store(f);
    if (slots.first_free == no_slot)
        pages_with_room[size_class].remove(page);
    return storage;
}

void* allocate_small(unsigned size_class)
{
    void* storage = nullptr;
    {
        LockGuard guard(heap_lock);
        if (!pages_with_room[size_class].empty())
            storage = take_slot(Mfn(pages_with_room[size_class].first), size_class);
    }
    if (!storage) {
        const Mfn page = new_object_page(size_class);
        if (page == invalid_mfn)
            return nullptr;
        LockGuard guard(heap_lock);
        pages_with_room[size_class].push_back(page);
        storage = take_slot(page, size_class);
    }
    __builtin_memset(storage, 0, size_t{1} << size_class);
    return storage;
}

void free_small(Mfn page, void* storage)
{
    Frame& f = frame(page);
    const unsigned size_class = f.order & ~object_page;
    LockGuard guard(heap_lock);
    Slots slots = Slots::of(f);
    const u16 slot = static_cast<u16>((reinterpret_cast<u64>(storage) & ~page_mask) >> size_class);
    link(page, size_class, slot) = slots.first_free;
    if (slots.first_free == no_slot)
        pages_with_room[size_class].push_back(page);
    slots.first_free = slot;
    --slots.used;
    slots.store(f);
    if (slots.used == 0) {
        pages_with_room[size_class].remove(page);
        return_run(page, 0);
    }
}

}

void* allocate_bytes(size_t bytes)
{
    if (bytes == 0 || bytes > page_size << max_order)
        return nullptr;
    const unsigned width = static_cast<unsigned>(std::bit_width(bytes - 1));
    if (width <= largest_class)
        return allocate_small(width < smallest_class ? smallest_class : width);
    const Result<Mfn> run = allocate_frames(width < page_shift ? 0 : width - page_shift);
    return run.ok() ? machine::map(run.value()) : nullptr;
}

void free_bytes(void* storage)
{
    if (!storage)
        return;
    const Mfn page = machine::mfn_of_mapped(storage);
    const u16 order = frame(page).order;
    if (order & object_page)
        return free_small(page, storage);
    free_frames(page, order);
}

}
