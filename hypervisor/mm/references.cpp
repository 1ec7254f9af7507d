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
    if (frame(mfn).count_info & count_bits::hypervisor) {
        --owner.special_pages;
    } else {
        unlink_owned(owner, mfn);
        --owner.total_pages;
    }
    return owner.dying && owner.total_pages == 0 && owner.special_pages == 0;
}

}

void release_frame(Frame& f)
{
    const Mfn mfn = mfn_of(f);
    XYLEM_ASSERT(type_bits::count(f.type_info) == 0, "freed while in use as a type");
    Owner* owner = find_owner(f.owner);
    XYLEM_ASSERT(owner, "freed frame has no owner");
    const bool was_last = leave_owner(*owner, mfn);
    if (f.count_info & count_bits::uncached)
        machine::flush_cache(machine::map(mfn), page_size);
    m2p[mfn.value] = invalid_m2p;
    f.tlb_stamp = machine::tlb_clock();
    f.count_info = count_bits::ram | count_bits::stale;
    {
        LockGuard guard(heap_lock);
        return_run(mfn, 0);
    }
    if (was_last && owner->when_drained)
        owner->when_drained(*owner);
}

Result<void> get_writable_page(Owner& owner, Mfn mfn)
{
    TypeRef held = TRY(get_page_and_type(mfn, owner.id, PageType::writable));
    held.release();
    return {};
}

void put_writable_page(Mfn mfn) { put_page_and_type(mfn); }

void share_hypervisor_frame(Owner& owner, Mfn mfn, Sharing sharing)
{
    Frame& f = frame(mfn);
    XYLEM_ASSERT(f.count_info == (count_bits::ram | count_bits::hypervisor), "shared frame is not the hypervisor's alone");
    f.owner = owner.id;
    f.linear_uses = 0;
    // The type reference that sharing itself holds keeps the frame from ever being anything else: of a read-only frame
    // nobody can get a writable reference.
    const PageType type = sharing == Sharing::writable ? PageType::writable : PageType::none;
    f.type_info = type_bits::of(type) | type_bits::validated | 1;
    {
        LockGuard guard(owner.lock);
        ++owner.special_pages;
    }
    atomic_store(&f.count_info, count_bits::ram | count_bits::hypervisor | count_bits::allocated | 1);
}

void unshare_hypervisor_frame(Mfn mfn)
{
    Frame& f = frame(mfn);
    const u64 seen = atomic_and(&f.count_info, ~count_bits::allocated);
    XYLEM_ASSERT(seen & count_bits::allocated, "frame was not shared");
    put_page_and_type(mfn);
}

Result<void> try_unshare_hypervisor_frame(Mfn mfn)
{
    Frame& f = frame(mfn);
    const u64 flags = count_bits::ram | count_bits::hypervisor | count_bits::allocated;
    u64 seen = atomic_load(&f.count_info);
    do {
        if ((seen & ~count_bits::foreign) != (flags | 1))
            return Error::Busy;
    } while (!atomic_compare_exchange(&f.count_info, seen, count_bits::ram | count_bits::hypervisor));
    // Translations to it may still be cached; the hypervisor may write secrets to it as soon as we return.
    f.type_info = 0;
    machine::flush_tlb(CpuMask{~u64{0} >> (64 - machine::cpu_count())});
    Owner* owner = find_owner(f.owner);
    f.owner = domid_none;
    f.order = 0;
    LockGuard guard(owner->lock);
    --owner->special_pages;
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
