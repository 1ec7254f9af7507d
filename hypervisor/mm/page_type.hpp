// Types of frames: how a frame becomes a page table, a descriptor page or a writable page, and ceases to be one.
//
// The argument. A frame's type can change only while its type count is zero, and a count above zero means that somebody
// uses it as that type: so no frame is ever a page table and mapped writable. Validation reads the whole content and
// takes the references that each entry stands for; invalidation gives them back.
//
// Validation, and invalidation of levels 2 to 4, can take long. When the preemption check says so, a table becomes
// *partial*: the state itself owns one type reference and one general reference, and `progress` says that entries [0,
// progress) hold theirs.
//  * On the way up, get_type() returns Preempted; its caller has taken nothing, and whoever asks next for the same type
//  goes
//    on from there and inherits the reference.
//  * On the way down, put_type() has done its duty as far as its caller is concerned: the table waits in its owner's
//    `unfinished` list, and finish_pending() goes on. A hypercall that may have put tables ends with finish_pending().
// No table is thus half of anybody's entry: a parent has either a whole reference or none (XSA-299, XSA-310).
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"
#include "hypervisor/mm/frame.hpp"

namespace xylem::mm {

struct Owner;

/// Asked between entries of levels 2 to 4, and a few times in the validation of an L1. Unset: never preempts.
using PreemptionCheck = bool (*)();
extern PreemptionCheck preemption_check;

/// Takes a type reference to a frame on which the caller holds a general reference.
/// @return Invalid  it is in use as another type, has too many references, or its content is not valid as this type
///         NotPermitted, Busy  likewise, by what the entry at fault ran into
///         Preempted  (page tables) call again, after finish_pending()
Result<void> get_type(Mfn mfn, PageType type);
/// Gives it back. The last one invalidates a page table.
void put_type(Mfn mfn);

/// Whether the type word is that of a frame in use as `type`, and its count is neither zero nor full.
constexpr bool can_add_one(u64 info, PageType type)
{
    return (info & (type_bits::type_mask | type_bits::validated)) == (type_bits::of(type) | type_bits::validated) &&
           ((info + 1) & type_bits::count_mask) > 1;
}

/// The uncommon cases of the two above: first and last references, and waits.
Result<void> get_type_slowly(Mfn mfn, PageType type);
void put_type_slowly(Mfn mfn);

inline Result<void> get_type(Mfn mfn, PageType type)
{
    u64 seen = atomic_load(&frame(mfn).type_info);
    if (can_add_one(seen, type) && atomic_compare_exchange(&frame(mfn).type_info, seen, seen + 1)) [[likely]]
        return {};
    return get_type_slowly(mfn, type);
}

inline void put_type(Mfn mfn)
{
    u64 seen = atomic_load(&frame(mfn).type_info);
    if (type_bits::count(seen) > 1 && atomic_compare_exchange(&frame(mfn).type_info, seen, seen - 1)) [[likely]]
        return;
    put_type_slowly(mfn);
}

/// Takes a type reference to a frame that already is a validated `type`, and never validates.
inline bool try_get_type(Mfn mfn, PageType type)
{
    u64 seen = atomic_load(&frame(mfn).type_info);
    do {
        if (!can_add_one(seen, type))
            return false;
    } while (!atomic_compare_exchange(&frame(mfn).type_info, seen, seen + 1));
    return true;
}

/// Gives up a validation that was interrupted and that nobody will go on with. Nothing if `mfn` is in no such state.
void abandon_validation(Mfn mfn);

/// Whether there are interrupted invalidations of tables of `owner`.
bool has_pending(const Owner& owner);
/// Goes on with them; at least one of them comes on. @return Preempted  call again: there may be more to do
Result<void> finish_pending(Owner& owner);

/// Pins the frame as `type`. @return Invalid  not the owner's, or already pinned; else as get_type()
Result<void> pin(Owner& owner, Mfn mfn, PageType type);
/// @return Invalid  not the owner's, or not pinned
Result<void> unpin(Owner& owner, Mfn mfn);

}
