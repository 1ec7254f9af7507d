// The end of a frame's use, and frames of the hypervisor that guests may map.

#include "hypervisor/mm/references.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap_internal.hpp"
#include "hypervisor/mm/owner.hpp"
#include "hypervisor/mm/owner_frames.hpp"

namespace xylem::mm {
namespace {

/// Takes a frame off its owner's books. @return whether that was the last of a dying owner.
bool leave_owner(Owner& owner, Mfn mfn)
{
    LockGuard guard(owner.lock);
    unlink_owned(owner, mfn);
    --owner.total_pages;
    return owner.dying && owner.total_pages == 0 && owner.special_pages == 0;
}

/// A shared frame of the hypervisor becomes its alone again.
bool end_sharing(Owner& owner, Frame& f)
{
    m2p[mfn_of(f).value] = invalid_m2p;
    store_release(&f.type_info, u64{0});
    f.owner = domid_none;
    f.order = 0;
    store_release(&f.count_info, count_bits::ram | count_bits::hypervisor | count_bits::stale);
    LockGuard guard(owner.lock);
    --owner.special_pages;
    return owner.dying && owner.total_pages == 0 && owner.special_pages == 0;
}

bool free_owned(Owner& owner, Frame& f)
{
    const Mfn mfn = mfn_of(f);
    const bool was_last = leave_owner(owner, mfn);
    m2p[mfn.value] = invalid_m2p;
    store_release(&f.count_info, count_bits::ram | count_bits::stale);
    LockGuard guard(heap_lock);
    return_run(mfn, 0);
    return was_last;
}

}

void release_frame(Frame& f)
{
    XYLEM_ASSERT(type_count(mfn_of(f)) == 0, "freed while in use as a type");
    Owner* owner = find_owner(f.owner);
    XYLEM_ASSERT(owner, "freed frame has no owner");
    const u64 count_info = atomic_load(&f.count_info);
    if (count_info & count_bits::uncached)
        machine::flush_cache(machine::map(mfn_of(f)), page_size);
    f.tlb_stamp = machine::tlb_clock();
    const bool was_last = count_info & count_bits::hypervisor ? end_sharing(*owner, f) : free_owned(*owner, f);
    if (was_last && owner->when_drained)
        owner->when_drained(*owner);
}

Result<void> get_writable_page(Owner& owner, Mfn mfn)
{
    TypeRef held = TRY(get_page_and_type(mfn, owner.id, PageType::writable));
    held.release();
    return {};
}

void put_writable_page(Mfn mfn)
{
    put_page_and_type(mfn);
}

namespace {

void become_shared(Owner& owner, Mfn mfn, Writable writable)
{
    Frame& f = frame(mfn);
    XYLEM_ASSERT((f.count_info & ~count_bits::stale) == (count_bits::ram | count_bits::hypervisor),
                 "shared frame is not the hypervisor's alone");
    f.owner = owner.id;
    f.linear_uses = 0;
    // The type reference that sharing itself holds keeps the frame from ever being anything else: of a read-only frame
    // nobody can get a writable reference.
    const PageType type = writable == Writable::yes ? PageType::writable : PageType::none;
    store_release(&f.type_info, type_bits::of(type) | type_bits::validated | 1);
    atomic_store(&f.count_info, count_bits::ram | count_bits::hypervisor | count_bits::allocated | 1);
}

}

Result<void> share_hypervisor_frame(Owner& owner, Mfn mfn, Writable writable)
{
    {
        LockGuard guard(owner.lock);
        if (owner.dying)
            return Error::Invalid;
        ++owner.special_pages;
    }
    become_shared(owner, mfn, writable);
    return {};
}

void share_hypervisor_frame_again(Owner& owner, Mfn mfn)
{
    {
        LockGuard guard(owner.lock);
        ++owner.special_pages;
    }
    become_shared(owner, mfn, Writable::yes);
}

void unshare_hypervisor_frame(Owner& owner, Mfn mfn)
{
    Frame& f = frame(mfn);
    const u64 seen = atomic_and(&f.count_info, ~count_bits::allocated);
    XYLEM_ASSERT(f.owner == owner.id && (seen & count_bits::allocated), "frame was not shared");
    put_page_and_type(mfn);
}

Result<void> try_unshare_hypervisor_frame(Owner& owner, Mfn mfn)
{
    Frame& f = frame(mfn);
    u64 seen = atomic_load(&f.count_info);
    do {
        if ((seen & count_bits::count_mask) != 1 || !(seen & count_bits::allocated) || f.owner != owner.id)
            return Error::Busy;
    } while (
        !atomic_compare_exchange(&f.count_info, seen, count_bits::ram | count_bits::hypervisor | count_bits::stale));
    f.tlb_stamp = machine::tlb_clock();
    store_release(&f.type_info, u64{0});
    f.owner = domid_none;
    f.order = 0;
    LockGuard guard(owner.lock);
    --owner.special_pages;
    return {};
}

void share_with_privileged(Mfn first, Mfn last)
{
    for (Mfn mfn = first; mfn < last; ++mfn) {
        Frame& f = frame(mfn);
        f.owner = domid_xen;
        f.type_info = type_bits::of(PageType::none) | type_bits::validated | 1;
        f.count_info |= count_bits::hypervisor | count_bits::allocated | 1;
    }
}

}
