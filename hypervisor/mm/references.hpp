// References to frames: as long as one is held, the frame keeps its owner and is not freed.
//
// PageRef holds a general reference, TypeRef a general and a type reference together. Both are move-only and give back
// what they hold; release() hands that duty to someone who keeps the frame number (a page-table entry, a vCPU).
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/frame.hpp"
#include "hypervisor/mm/page_type.hpp"

namespace xylem::mm {

/// Takes a reference, unless the count is zero (the frame is free or the hypervisor's own) or would overflow.
inline bool try_get(Frame& f)
{
    u64 seen = __atomic_load_n(&f.count_info, __ATOMIC_RELAXED);
    do {
        if (((seen + 1) & count_bits::count_mask) <= 1) [[unlikely]]
            return false;
    } while (!__atomic_compare_exchange_n(&f.count_info, &seen, seen + 1, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return true;
}

/// Frees a frame whose count has reached zero. Called by put_page alone.
void release_frame(Frame& f);

inline void put_page(Mfn mfn)
{
    Frame& f = frame(mfn);
    if ((__atomic_sub_fetch(&f.count_info, 1, __ATOMIC_ACQ_REL) & count_bits::count_mask) == 0) [[unlikely]]
        release_frame(f);
}

class PageRef {
public:
    PageRef() = default;
    explicit PageRef(Mfn held) : mfn_(held) {}
    PageRef(PageRef&& other) noexcept : mfn_(other.release()) {}
    PageRef& operator=(PageRef&& other) noexcept
    {
        const Mfn taken = other.mfn_;
        other.mfn_ = mfn_;
        mfn_ = taken;
        return *this;
    }
    ~PageRef()
    {
        if (held())
            put_page(mfn_);
    }
    bool held() const { return mfn_ != invalid_mfn; }
    Mfn mfn() const { return mfn_; }
    /// Leaves the reference to the caller.
    Mfn release()
    {
        const Mfn mfn = mfn_;
        mfn_ = invalid_mfn;
        return mfn;
    }

private:
    Mfn mfn_ = invalid_mfn;
};

/// A reference to a frame of `owner`. @return Invalid  it is no RAM, nobody's or another's
inline Result<PageRef> get_page(Mfn mfn, DomId owner)
{
    if (!is_ram(mfn) || !try_get(frame(mfn)))
        return Error::Invalid;
    PageRef held(mfn);
    if (frame(mfn).owner != owner)
        return Error::Invalid;
    return held;
}

/// A reference to a frame, whoever owns it: frame(mfn).owner tells, and cannot change while the reference is held.
inline Result<PageRef> get_page_of_any(Mfn mfn)
{
    if (!is_ram(mfn) || !try_get(frame(mfn)))
        return Error::Invalid;
    return PageRef(mfn);
}

/// A general reference with a type reference.
class TypeRef {
public:
    TypeRef() = default;
    explicit TypeRef(Mfn held) : mfn_(held) {}
    TypeRef(TypeRef&& other) noexcept : mfn_(other.release()) {}
    TypeRef& operator=(TypeRef&& other) noexcept
    {
        const Mfn taken = other.mfn_;
        other.mfn_ = mfn_;
        mfn_ = taken;
        return *this;
    }
    ~TypeRef()
    {
        if (mfn_ != invalid_mfn) {
            put_type(mfn_);
            put_page(mfn_);
        }
    }
    bool held() const { return mfn_ != invalid_mfn; }
    Mfn mfn() const { return mfn_; }
    Mfn release()
    {
        const Mfn mfn = mfn_;
        mfn_ = invalid_mfn;
        return mfn;
    }

private:
    Mfn mfn_ = invalid_mfn;
};

/// Both references to a frame of `owner`.
/// @return Invalid  not the owner's, of another type, or its content is not valid as this type
///         Preempted  (page tables) call again
inline Result<TypeRef> get_page_and_type(Mfn mfn, DomId owner, PageType type)
{
    PageRef page = TRY(get_page(mfn, owner));
    TRY(get_type(mfn, type));
    return TypeRef(page.release());
}

inline void put_page_and_type(Mfn mfn)
{
    put_type(mfn);
    put_page(mfn);
}

struct Owner;

/// Frames that the hypervisor writes on a guest's behalf (vcpu_info, FIFO control blocks and arrays).
/// @return Invalid  not the owner's, or in use as a page table or descriptor page
Result<void> get_writable_page(Owner& owner, Mfn mfn);
void put_writable_page(Mfn mfn);

enum class Writable : u8 { no, yes };

/// Lets `owner` map a frame from allocate_frame(): it appears as owned by the domain, but is not counted in its pages.
/// The frame stays the hypervisor's: whoever shared it frees it, once nobody can refer to it any more.
/// @return Invalid  the owner is dying
Result<void> share_hypervisor_frame(Owner& owner, Mfn mfn, Writable writable);
/// Takes back the right to map it. Those who refer to it still may: it may be freed when drained(owner).
void unshare_hypervisor_frame(Owner& owner, Mfn mfn);
/// Makes it the hypervisor's alone again, as allocate_frame() gave it. @return Busy  somebody still refers to it
Result<void> try_unshare_hypervisor_frame(Owner& owner, Mfn mfn);
/// Undoes try_unshare_hypervisor_frame(), even for an owner that is dying, if its frames are still to be unshared.
void share_hypervisor_frame_again(Owner& owner, Mfn mfn);
/// Lets privileged domains map frames of the hypervisor that came from no heap, read-only, as domid_xen's (the M2P).
void share_with_privileged(Mfn first, Mfn last);

}
