// The buddy heap. Free runs hang in lists by zone (width of the frame number) and order; a run is merged with its buddy
// when both are free. A run's first frame carries its order; every frame in it is marked free.

#include "hypervisor/mm/heap.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap_internal.hpp"
#include "hypervisor/mm/owner.hpp"
#include "hypervisor/mm/page_type.hpp"

#include <bit>

namespace xylem::mm {

constinit SpinLock heap_lock{LockRank::heap};

namespace {

constexpr unsigned zones = 33;     // frame numbers of 0 to 32 bits
constexpr u16 inside_run = 0xffff; // Frame::order of a free frame that is not the first of its run

FrameList free_runs[zones][max_order + 1];
u64 free_frames_total = 0, frames_total = 0, claimed_total = 0;

unsigned zone_of(Mfn mfn)
{
    return static_cast<unsigned>(std::bit_width(mfn.value));
}

bool is_free_run(Mfn mfn, unsigned order)
{
    if (!is_ram(mfn))
        return false;
    const Frame& f = frame(mfn);
    return (load_acquire(&f.count_info) & count_bits::free) && f.order == order;
}

/// Of a frame that nobody can get a reference to: others read the word, but change it only where its count is not zero.
void change_flags(Frame& f, u64 set, u64 clear)
{
    store_release(&f.count_info, (atomic_load(&f.count_info) & ~clear) | set);
}

void insert_run(Mfn first, unsigned order)
{
    frame(first).order = static_cast<u16>(order);
    free_runs[zone_of(first)][order].push_back(first);
}

void remove_run(Mfn first, unsigned order)
{
    free_runs[zone_of(first)][order].remove(first);
    frame(first).order = inside_run;
}

/// Takes a run of at least `order` from a zone and puts back what is too much of it.
Mfn take_from_zone(unsigned zone, unsigned order)
{
    for (unsigned found = order; found <= max_order; ++found) {
        if (free_runs[zone][found].empty())
            continue;
        const Mfn first(free_runs[zone][found].first);
        remove_run(first, found);
        while (found > order) {
            --found;
            insert_run(first + (u64{1} << found), found);
        }
        return first;
    }
    return invalid_mfn;
}

CpuMask all_cpus()
{
    const unsigned count = machine::cpu_count();
    return {count >= 64 ? ~u64{0} : (u64{1} << count) - 1};
}

}

Mfn take_run(unsigned order, unsigned max_address_bits)
{
    if (order > max_order || max_address_bits <= page_shift)
        return invalid_mfn;
    const unsigned widest = max_address_bits - page_shift < zones ? max_address_bits - page_shift : zones - 1;
    for (unsigned zone = widest + 1; zone-- > 0;) {
        const Mfn first = take_from_zone(zone, order);
        if (first == invalid_mfn)
            continue;
        for (u64 i = 0; i < u64{1} << order; ++i)
            change_flags(frame(first + i), 0, count_bits::free);
        free_frames_total -= u64{1} << order;
        return first;
    }
    return invalid_mfn;
}

void return_run(Mfn first, unsigned order)
{
    for (u64 i = 0; i < u64{1} << order; ++i) {
        Frame& f = frame(first + i);
        store_release(&f.count_info,
                      (atomic_load(&f.count_info) & (count_bits::ram | count_bits::stale | count_bits::clean)) |
                          count_bits::free);
        store_release(&f.type_info, u64{0});
        f.owner = domid_none;
        f.order = inside_run;
    }
    free_frames_total += u64{1} << order;
    for (; order < max_order; ++order) {
        const Mfn buddy(first.value ^ (u64{1} << order));
        // Runs do not grow across zones: the buddy of the lowest run of a zone lies in a lower zone.
        if (zone_of(buddy) != zone_of(first) || !is_free_run(buddy, order))
            break;
        remove_run(buddy, order);
        if (buddy < first)
            first = buddy;
    }
    insert_run(first, order);
}

u64 available_frames(const Owner* owner)
{
    const u64 promised = claimed_total - (owner ? owner->claimed_pages : 0);
    return free_frames_total > promised ? free_frames_total - promised : 0;
}

void use_claim(Owner& owner, u64 frames)
{
    const u64 used = frames < owner.claimed_pages ? frames : owner.claimed_pages;
    owner.claimed_pages -= used;
    claimed_total -= used;
}

void flush_run(Mfn first, unsigned order)
{
    CpuMask holders;
    for (u64 i = 0; i < u64{1} << order; ++i) {
        Frame& f = frame(first + i);
        if (!(atomic_load(&f.count_info) & count_bits::stale))
            continue;
        change_flags(f, 0, count_bits::stale);
        holders = holders | machine::stale_cpus(all_cpus(), f.tlb_stamp);
    }
    if (!holders.empty())
        machine::flush_tlb(holders);
}

bool scrub_run(Mfn first, unsigned order, Interruptible interruptible)
{
    constexpr u32 frames_between_questions = 64;
    const Mfn end = first + (u64{1} << order);
    u32 cleared = 0;
    for (Mfn mfn = first; mfn < end; ++mfn) {
        if (atomic_load(&frame(mfn).count_info) & count_bits::clean)
            continue;
        __builtin_memset(machine::map(mfn), 0, page_size);
        change_flags(frame(mfn), count_bits::clean, 0);
        if (interruptible == Interruptible::yes && ++cleared % frames_between_questions == 0 && mfn + 1 < end &&
            preemption_check && preemption_check())
            return false;
    }
    for (Mfn mfn = first; mfn < end; ++mfn)
        change_flags(frame(mfn), 0, count_bits::clean);
    return true;
}

void add_ram(Mfn first, Mfn last)
{
    mark_ram(first, last);
    LockGuard guard(heap_lock);
    frames_total += last - first;
    while (first < last) {
        // The largest naturally aligned run that starts here, fits, and stays within its zone.
        unsigned order = first.value ? static_cast<unsigned>(std::countr_zero(first.value)) : 0;
        if (order > max_order)
            order = max_order;
        while (first.value + (u64{1} << order) > last.value)
            --order;
        return_run(first, order);
        first = first + (u64{1} << order);
    }
}

Result<Mfn> allocate_frames(unsigned order, unsigned max_address_bits)
{
    Mfn first;
    {
        LockGuard guard(heap_lock);
        if (available_frames(nullptr) < u64{1} << order)
            return Error::NoMemory;
        first = take_run(order, max_address_bits);
    }
    if (first == invalid_mfn)
        return Error::NoMemory;
    flush_run(first, order);
    scrub_run(first, order);
    for (u64 i = 0; i < u64{1} << order; ++i)
        change_flags(frame(first + i), count_bits::hypervisor, 0);
    frame(first).order = static_cast<u16>(order);
    return first;
}

Result<Mfn> allocate_frame()
{
    return allocate_frames(0);
}

void free_frames(Mfn first, unsigned order)
{
    XYLEM_ASSERT((atomic_load(&frame(first).count_info) & ~count_bits::stale) ==
                     (count_bits::ram | count_bits::hypervisor),
                 "frame is in use");
    LockGuard guard(heap_lock);
    return_run(first, order);
}

void free_frame(Mfn mfn)
{
    free_frames(mfn, 0);
}

Result<void> claim_pages(Owner& owner, u64 pages)
{
    LockGuard owner_guard(owner.lock);
    LockGuard guard(heap_lock);
    if (pages == 0) {
        claimed_total -= owner.claimed_pages;
        owner.claimed_pages = 0;
        return {};
    }
    if (owner.claimed_pages || pages <= owner.total_pages || pages > owner.max_pages)
        return Error::Invalid;
    const u64 more = pages - owner.total_pages;
    if (more > available_frames(nullptr))
        return Error::NoMemory;
    owner.claimed_pages = more;
    claimed_total += more;
    return {};
}

u64 free_frame_count()
{
    LockGuard guard(heap_lock);
    return free_frames_total;
}

u64 total_frames()
{
    return frames_total;
}

u64 claimed_frame_count()
{
    LockGuard guard(heap_lock);
    return claimed_total;
}

}
