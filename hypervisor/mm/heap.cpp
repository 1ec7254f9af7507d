// The buddy heap. Free runs hang in lists by zone (width of the frame number) and order; a run is merged with its buddy
// when both are free. A run's first frame carries its order; every frame in it is marked free.
//
// Frames are clear when they are handed out. Processors that have nothing else to do clear them ahead, a frame at a
// time; what they have not come to is cleared then. So the runs of an order hang in two lists, those in which every
// frame is clear (and says so itself: count_bits::clean) and the others, and the former are given first.

#include "hypervisor/mm/heap.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap_internal.hpp"
#include "hypervisor/mm/owner.hpp"
#include "hypervisor/mm/page_type.hpp"

#include <bit>

namespace xylem::mm {

constinit SpinLock heap_lock{LockRank::heap};

namespace {

constexpr unsigned zones = 33; // frame numbers of 0 to 32 bits
// Frame::order of free frames.
constexpr u16 inside_run = 0xffff;   // not the first of its run
constexpr u16 uncleared_run = 0x100; // beside the order of a run: some frame in it is not clear

enum class State : u8 { cleared, uncleared };

FrameList free_runs[zones][max_order + 1][2];
u64 free_frames_total = 0, frames_total = 0, claimed_total = 0;
u64 uncleared_total = 0; // free frames that are not clear

/// How far the run that is being cleared ahead is clear. The run is free: remove_run() ends it.
struct {
    Mfn run = invalid_mfn;
    unsigned order = 0;
    u64 next = 0;
} clearing;

unsigned zone_of(Mfn mfn)
{
    return static_cast<unsigned>(std::bit_width(mfn.value));
}

bool is_free_run(Mfn mfn, unsigned order)
{
    if (!is_ram(mfn))
        return false;
    const Frame& f = frame(mfn);
    return (load_acquire(&f.count_info) & count_bits::free) && (f.order & ~uncleared_run) == order;
}

bool is_clean(const Frame& f)
{
    return atomic_load(&f.count_info) & count_bits::clean;
}

/// Of a frame that nobody can get a reference to: others read the word, but change it only where its count is not zero.
void change_flags(Frame& f, u64 set, u64 clear)
{
    store_release(&f.count_info, (atomic_load(&f.count_info) & ~clear) | set);
}

FrameList& list_of(Mfn first, unsigned order, State state)
{
    return free_runs[zone_of(first)][order][static_cast<unsigned>(state)];
}

void insert_run(Mfn first, unsigned order, State state)
{
    frame(first).order = static_cast<u16>(order | (state == State::uncleared ? uncleared_run : 0));
    list_of(first, order, state).push_back(first);
}

State remove_run(Mfn first, unsigned order)
{
    const State state = frame(first).order & uncleared_run ? State::uncleared : State::cleared;
    list_of(first, order, state).remove(first);
    frame(first).order = inside_run;
    if (first == clearing.run)
        clearing.run = invalid_mfn;
    return state;
}

/// The first run of that order in a zone, a clear one if there is any. @return invalid_mfn if there is none
Mfn first_run(unsigned zone, unsigned order)
{
    for (const FrameList& list : free_runs[zone][order])
        if (!list.empty())
            return Mfn(list.first);
    return invalid_mfn;
}

/// Takes a run of at least `order` from a zone and puts back what is too much of it.
Mfn take_from_zone(unsigned zone, unsigned order)
{
    for (unsigned found = order; found <= max_order; ++found) {
        const Mfn first = first_run(zone, found);
        if (first == invalid_mfn)
            continue;
        const State state = remove_run(first, found);
        while (found > order) {
            --found;
            insert_run(first + (u64{1} << found), found, state);
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

/// The processors that may have cached a translation to a free frame, by which somebody could still write to it.
CpuMask holders_of(const Frame& f)
{
    return atomic_load(&f.count_info) & count_bits::stale ? machine::stale_cpus(all_cpus(), f.tlb_stamp) : CpuMask{};
}

/// Makes an uncleared run the one that is being cleared. @return whether there is one
bool choose_run_to_clear()
{
    for (unsigned zone = zones; zone-- > 0;)
        for (unsigned order = 0; order <= max_order; ++order)
            if (const FrameList& list = free_runs[zone][order][static_cast<unsigned>(State::uncleared)];
                !list.empty()) {
                clearing = {Mfn(list.first), order, 0};
                return true;
            }
    return false;
}

/// The next frame to clear ahead; invalid_mfn if none was found within a bounded time.
Mfn next_uncleared()
{
    constexpr unsigned frames_to_look_at = 256;
    if (clearing.run == invalid_mfn && !choose_run_to_clear())
        return invalid_mfn;
    const Mfn run = clearing.run;
    const u64 size = u64{1} << clearing.order;
    for (unsigned i = 0; i < frames_to_look_at && clearing.next < size; ++i) {
        if (!is_clean(frame(run + clearing.next)))
            return run + clearing.next;
        ++clearing.next;
    }
    if (clearing.next == size) {
        const unsigned order = clearing.order;
        remove_run(run, order);
        insert_run(run, order, State::cleared);
    }
    return invalid_mfn;
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
        for (u64 i = 0; i < u64{1} << order; ++i) {
            Frame& f = frame(first + i);
            const u64 flags = atomic_load(&f.count_info);
            uncleared_total -= !(flags & count_bits::clean);
            store_release(&f.count_info, flags & ~count_bits::free);
        }
        free_frames_total -= u64{1} << order;
        return first;
    }
    return invalid_mfn;
}

void return_run(Mfn first, unsigned order)
{
    State state = State::cleared;
    for (u64 i = 0; i < u64{1} << order; ++i) {
        Frame& f = frame(first + i);
        store_release(&f.count_info,
                      (atomic_load(&f.count_info) & (count_bits::ram | count_bits::stale | count_bits::clean)) |
                          count_bits::free);
        store_release(&f.type_info, u64{0});
        f.owner = domid_none;
        f.order = inside_run;
        if (!is_clean(f)) {
            ++uncleared_total;
            state = State::uncleared;
        }
    }
    free_frames_total += u64{1} << order;
    for (; order < max_order; ++order) {
        const Mfn buddy(first.value ^ (u64{1} << order));
        // Runs do not grow across zones: the buddy of the lowest run of a zone lies in a lower zone.
        if (zone_of(buddy) != zone_of(first) || !is_free_run(buddy, order))
            break;
        if (remove_run(buddy, order) == State::uncleared)
            state = State::uncleared;
        if (buddy < first)
            first = buddy;
    }
    insert_run(first, order, state);
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
        holders = holders | holders_of(f);
        change_flags(f, 0, count_bits::stale);
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
        if (is_clean(frame(mfn)))
            continue;
        __builtin_memset(machine::map(mfn), 0, page_size);
        change_flags(frame(mfn), count_bits::clean, 0);
        if (interruptible == Interruptible::yes && ++cleared % frames_between_questions == 0 && mfn + 1 < end &&
            preemption_check && preemption_check())
            return false;
    }
    return true;
}

bool clear_ahead()
{
    // Who is busy is not kept waiting by all who are idle.
    if (!atomic_load(&uncleared_total) || !heap_lock.try_lock())
        return false;
    CpuMask holders;
    if (const Mfn mfn = next_uncleared(); mfn != invalid_mfn) {
        Frame& f = frame(mfn);
        holders = holders_of(f);
        if (holders.empty()) {
            __builtin_memset(machine::map(mfn), 0, page_size);
            change_flags(f, count_bits::clean, count_bits::stale);
            store_release(&uncleared_total, uncleared_total - 1);
        }
    }
    heap_lock.unlock();
    if (!holders.empty())
        machine::flush_tlb(holders); // the frame's turn is the next
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
        change_flags(frame(first + i), count_bits::hypervisor, count_bits::clean);
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

u64 uncleared_frame_count()
{
    LockGuard guard(heap_lock);
    return uncleared_total;
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
