// Frames entering and leaving a domain.

#include "hypervisor/mm/reservation.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap_internal.hpp"
#include "hypervisor/mm/owner_frames.hpp"
#include "hypervisor/mm/references.hpp"

namespace xylem::mm {
namespace {

/// Makes frames that are nobody's the owner's; room has been reserved for them.
/// @return false  the owner is dying, and its pages may have been given back already
bool adopt(Owner& owner, Mfn first, u64 count)
{
    LockGuard guard(owner.lock);
    if (owner.dying)
        return false;
    for (u64 i = 0; i < count; ++i) {
        Frame& f = frame(first + i);
        store_release(&f.type_info, u64{0});
        f.owner = owner.id;
        f.linear_uses = 0;
        owner.pages.push_back(first + i);
        atomic_store(&f.count_info, count_bits::ram | count_bits::allocated | 1);
    }
    return true;
}

}

Result<void> reserve_room(Owner& owner, u64 frames)
{
    LockGuard guard(owner.lock);
    if (owner.dying)
        return Error::Invalid;
    if (owner.total_pages + frames > owner.max_pages)
        return Error::NoSpace;
    owner.total_pages += frames;
    return {};
}

void give_up_room(Owner& owner, u64 frames)
{
    bool was_last = false;
    {
        LockGuard guard(owner.lock);
        owner.total_pages -= frames;
        was_last = owner.dying && owner.total_pages == 0 && owner.special_pages == 0;
    }
    if (was_last && owner.when_drained)
        owner.when_drained(owner);
}

Result<Mfn> assign_new_frames(Owner& owner, unsigned order, unsigned max_address_bits, Scrub scrub,
                              Interruptible interruptible)
{
    if (order > max_order)
        return Error::Invalid;
    const u64 count = u64{1} << order;
    TRY(reserve_room(owner, count));
    Mfn first = invalid_mfn;
    {
        LockGuard owner_guard(owner.lock);
        LockGuard guard(heap_lock);
        if (available_frames(&owner) >= count)
            first = take_run(order, max_address_bits);
    }
    if (first == invalid_mfn) {
        give_up_room(owner, count);
        return Error::NoMemory;
    }
    flush_run(first, order);
    if (scrub == Scrub::yes && !scrub_run(first, order, interruptible)) {
        discard_frames(first, order);
        give_up_room(owner, count);
        return Error::Preempted;
    }
    {
        LockGuard owner_guard(owner.lock);
        LockGuard guard(heap_lock);
        use_claim(owner, count);
    }
    if (!adopt(owner, first, count)) {
        discard_frames(first, order);
        give_up_room(owner, count);
        return Error::Invalid;
    }
    return first;
}

Result<void> give_back(Owner& owner, Mfn mfn)
{
    PageRef held = TRY(get_page(mfn, owner.id));
    Frame& f = frame(mfn);
    if (atomic_load(&f.count_info) & count_bits::hypervisor)
        return Error::Invalid;
    if (!(atomic_and(&f.count_info, ~count_bits::allocated) & count_bits::allocated))
        return Error::Invalid;
    m2p[mfn.value] = invalid_m2p;
    put_page(mfn);
    return {};
}

Result<void> steal(Owner& owner, Mfn mfn)
{
    PageRef held = TRY(get_page(mfn, owner.id));
    Frame& f = frame(mfn);
    u64 seen = atomic_load(&f.count_info);
    do {
        // Ours and the allocated one, and no others: nobody can then hold a type either.
        if ((seen & count_bits::hypervisor) || !(seen & count_bits::allocated) || (seen & count_bits::count_mask) != 2)
            return Error::Invalid;
    } while (!atomic_compare_exchange(&f.count_info, seen, seen & ~(count_bits::allocated | count_bits::count_mask)));
    held.release();
    XYLEM_ASSERT(type_count(mfn) == 0, "stolen while in use as a type");
    {
        LockGuard guard(owner.lock);
        unlink_owned(owner, mfn);
    }
    if (seen & count_bits::uncached)
        machine::flush_cache(machine::map(mfn), page_size);
    store_release(&f.type_info, u64{0});
    f.owner = domid_none;
    f.tlb_stamp = machine::tlb_clock();
    store_release(&f.count_info, count_bits::ram | count_bits::stale);
    return {};
}

Result<void> restore_frames(Owner& owner, Mfn first, unsigned order)
{
    // A stolen frame has lost the type that would have told of mappings that it had; they may still be cached.
    flush_run(first, order);
    if (adopt(owner, first, u64{1} << order))
        return {};
    give_up_room(owner, u64{1} << order);
    return Error::Invalid;
}

void discard_frames(Mfn first, unsigned order)
{
    for (u64 i = 0; i < u64{1} << order; ++i)
        m2p[first.value + i] = invalid_m2p;
    LockGuard guard(heap_lock);
    return_run(first, order);
}

Result<Mfn> allocate_unowned(unsigned order, unsigned max_address_bits)
{
    if (order > max_order)
        return Error::Invalid;
    Mfn first = invalid_mfn;
    {
        LockGuard guard(heap_lock);
        if (available_frames(nullptr) >= u64{1} << order)
            first = take_run(order, max_address_bits);
    }
    if (first == invalid_mfn)
        return Error::NoMemory;
    flush_run(first, order);
    if (!scrub_run(first, order, Interruptible::yes)) {
        discard_frames(first, order);
        return Error::Preempted;
    }
    return first;
}

}
