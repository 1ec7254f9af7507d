// Roots of vCPUs, and giving back a dying domain's frames.

#include "hypervisor/mm/roots.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/owner_frames.hpp"
#include "hypervisor/mm/references.hpp"

namespace xylem::mm {

u64* template_root = nullptr;

namespace {

/// The M2P belongs to kernel roots; a user root may show it only to a domain that did not ask for strictness.
void set_m2p_slot(const Owner& owner, Mfn root, RootUse use)
{
    u64* slot = machine::map<u64>(root) + abi::mach2phys_slot;
    if (use == RootUse::kernel && *slot != template_root[abi::mach2phys_slot])
        machine::write_pte(slot, template_root[abi::mach2phys_slot]);
    if (use == RootUse::user && owner.m2p_strict && *slot != 0)
        machine::write_pte(slot, 0);
}

/// The next frame to give back, moved to `relinquished`. @return invalid_mfn if there is none
Mfn next_to_relinquish(Owner& owner)
{
    LockGuard guard(owner.lock);
    if (owner.pages.empty())
        return invalid_mfn;
    const Mfn mfn(owner.pages.first);
    owner.pages.remove(mfn);
    owner.relinquished.push_back(mfn);
    return mfn;
}

void relinquish_frame(Mfn mfn)
{
    Frame& f = frame(mfn);
    if (!try_get(f))
        return; // its last reference is just being put elsewhere
    abandon_validation(mfn);
    if (atomic_and(&f.type_info, ~type_bits::pinned) & type_bits::pinned)
        put_page_and_type(mfn);
    if (atomic_and(&f.count_info, ~count_bits::allocated) & count_bits::allocated)
        put_page(mfn);
    put_page(mfn);
}

}

u64 hypervisor_slot(const Owner& owner, unsigned slot)
{
    constexpr unsigned per_domain_slot = 260;
    if (slot == abi::mach2phys_slot && !owner.m2p_strict)
        return 0;
    if (slot != per_domain_slot)
        return template_root[slot];
    constexpr u64 flags = abi::pte::present | abi::pte::writable | abi::pte::accessed;
    return owner.perdomain_l3 == Mfn{} ? 0 : address_of(owner.perdomain_l3).value | flags;
}

Result<void> take_root(Owner& owner, Mfn mfn, RootUse use)
{
    TypeRef root = TRY(get_page_and_type(mfn, owner.id, PageType::l4));
    set_m2p_slot(owner, mfn, use);
    root.release();
    return {};
}

void put_root(Mfn mfn)
{
    put_page_and_type(mfn);
}

Result<void> relinquish(Owner& owner)
{
    XYLEM_ASSERT(owner.dying, "owner lives");
    if (owner.claimed_pages)
        TRY(claim_pages(owner, 0));
    for (;;) {
        TRY(finish_pending(owner));
        const Mfn mfn = next_to_relinquish(owner);
        if (mfn == invalid_mfn)
            return {};
        relinquish_frame(mfn);
        if (preemption_check && preemption_check())
            return Error::Preempted;
    }
}

Mfn zero_frame()
{
    static constinit Mfn zero = invalid_mfn;
    if (zero == invalid_mfn) {
        const Result<Mfn> fresh = allocate_frame();
        XYLEM_ASSERT(fresh.ok(), "no memory for the zero frame");
        zero = fresh.value();
    }
    return zero;
}

}
