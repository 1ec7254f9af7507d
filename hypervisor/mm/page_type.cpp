// Getting and putting types; the states of a table under validation. The argument stands in page_type.hpp.
//
// States of type_info, by (count, validated, partial, busy): idle (0,-,-,-), in use (>0,yes,-,-), being worked on by
// one processor (1,-,-,busy), interrupted (1,-,partial,-). A count of zero never goes with busy or partial. Who finds
// the frame busy as the type he wants waits; as another type he is refused at once. Waits follow the levels downwards
// only, so they cannot form a ring.

#include "hypervisor/mm/page_type.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/data_entry.hpp"
#include "hypervisor/mm/descriptor.hpp"
#include "hypervisor/mm/owner_frames.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/roots.hpp"
#include "hypervisor/mm/table_entry.hpp"

namespace xylem::mm {

PreemptionCheck preemption_check = nullptr;

namespace {

enum class StateRef : u8 { none, held }; ///< whether an interrupted state's general reference is with the frame

bool preempted()
{
    return preemption_check && preemption_check();
}

/// Leaves the type as a mere memory: the count goes to zero, and whoever changes the type has to flush what is older.
/// The frame is busy.
void retire(Frame& f, PageType type)
{
    f.tlb_stamp = machine::tlb_clock();
    store_release(&f.type_info, type_bits::of(type));
}

/// Drops cached translations that rest on the frame's former type. The frame is busy, with a count of one.
void flush_former_type(Frame& f)
{
    const bool foreign = atomic_load(&f.count_info) & count_bits::foreign;
    const Owner* owner = find_owner(f.owner);
    const CpuMask everywhere{~u64{0} >> (64 - machine::cpu_count())};
    const CpuMask holders = foreign || !owner ? everywhere : CpuMask{atomic_load(&owner->dirty_cpus.bits)};
    const CpuMask stale = machine::stale_cpus(holders, f.tlb_stamp);
    if (!stale.empty())
        machine::flush_tlb(stale);
    if (foreign)
        atomic_and(&f.count_info, ~count_bits::foreign);
}

// ---- Down: giving back what a table's entries hold

void put_entry(Mfn table, unsigned level, u64 entry)
{
    if (level == 1)
        put_data_entry(entry);
    else
        put_table_entry(table, level, entry);
}

/// Interrupts the invalidation of a busy table: entries [0, held) still hold their references.
void park(Frame& f, PageType type, u32 held, StateRef state)
{
    if (state == StateRef::none) {
        const bool got = try_get(f);
        XYLEM_ASSERT(got, "no reference for an interrupted invalidation");
    }
    f.progress = held;
    Owner& owner = *find_owner(f.owner);
    LockGuard guard(owner.lock);
    unlink_owned(owner, mfn_of(f));
    owner.unfinished.push_back(mfn_of(f));
    atomic_add(&owner.interrupted, 1u);
    atomic_store(&f.type_info, type_bits::of(type) | type_bits::partial | type_bits::invalidating | 1);
}

/// Tables are mostly empty, and there is nothing to do about entries that are not present: they are passed in groups.
constexpr u32 group_entries = 8;

bool group_is_empty(const u64* entries)
{
    u64 any = 0;
#pragma GCC unroll 8
    for (u32 i = 0; i < group_entries; ++i)
        any |= atomic_load(&entries[i]);
    return !is_present(any);
}

/// Gives back entries [0, held) of a busy table and retires it, or parks it. @return whether it was retired.
bool invalidate(Frame& f, PageType type, u32 held, StateRef state)
{
    const unsigned level = level_of(type);
    const Mfn table = mfn_of(f);
    const u64* entries = machine::map<u64>(table);
    while (held > 0) {
        if (held % group_entries == 0 && group_is_empty(&entries[held - group_entries])) {
            held -= group_entries;
            continue;
        }
        const u64 entry = atomic_load(&entries[--held]);
        if (!is_present(entry) || is_hypervisor_slot(level, held))
            continue;
        put_entry(table, level, entry);
        if (level > 1 && held > 0 && preempted()) {
            park(f, type, held, state);
            return false;
        }
    }
    retire(f, type);
    if (state == StateRef::held)
        put_page(table);
    return true;
}

// ---- Up: taking what a table's entries hold

Result<u64> take_entry(Owner& owner, Mfn table, unsigned level, u64 entry)
{
    if (level > 1)
        return take_table_entry(owner, table, level, entry);
    u64 stored = adjust_l1(entry);
    TRY(take_data_entry({.tables = owner, .data = owner, .caller = owner}, stored));
    return stored;
}

/// Whether to ask, behind entry `index`, if there is something better to do: one of levels 2 to 4 may have been a whole
/// table's worth of work.
constexpr bool may_stop_behind(unsigned level, u32 index)
{
    constexpr u32 l1_entries_between = 128;
    return index + 1 < abi::page_table_entries && (level > 1 || (index + 1) % l1_entries_between == 0);
}

/// Takes the references of the entries from `progress` on. @return Preempted, or what a bad entry ran into
Result<void> take_entries(Owner& owner, Mfn table, unsigned level, u32& progress)
{
    u64* entries = machine::map<u64>(table);
    for (; progress < abi::page_table_entries; ++progress) {
        if (progress % group_entries == 0 && group_is_empty(&entries[progress])) {
            progress += group_entries - 1;
            continue;
        }
        const u64 entry = atomic_load(&entries[progress]);
        if (!is_present(entry) || is_hypervisor_slot(level, progress))
            continue;
        const u64 stored = TRY(take_entry(owner, table, level, entry));
        if (stored != entry)
            machine::write_pte(&entries[progress], stored);
        if (may_stop_behind(level, progress) && preempted()) {
            ++progress;
            return Error::Preempted;
        }
    }
    return {};
}

/// Puts the hypervisor's part into a root. The M2P becomes visible when the root is loaded as a kernel's (roots.cpp),
/// or at once for a domain that keeps it from its user roots.
void fill_hypervisor_slots(const Owner& owner, Mfn table)
{
    u64* entries = machine::map<u64>(table);
    for (unsigned slot = abi::hypervisor_first_slot; slot <= abi::hypervisor_last_slot; ++slot)
        machine::write_pte(&entries[slot], hypervisor_slot(owner, slot));
}

Result<void> validate_descriptors(Mfn page)
{
    u64* descriptors = machine::map<u64>(page);
    for (unsigned i = 0; i < page_size / sizeof(u64); ++i) {
        u64 descriptor = descriptors[i];
        if (!check_descriptor(descriptor))
            return Error::Invalid;
        descriptors[i] = descriptor;
    }
    return {};
}

/// Validates a busy table from `progress` on, and leaves it in use, interrupted, or invalidated.
Result<void> validate_table(Frame& f, PageType type, u32 progress, StateRef state)
{
    const Mfn table = mfn_of(f);
    Owner& owner = *find_owner(f.owner);
    const Result<void> taken = take_entries(owner, table, level_of(type), progress);
    if (taken.ok()) {
        if (type == PageType::l4)
            fill_hypervisor_slots(owner, table);
        atomic_store(&f.type_info, type_bits::of(type) | type_bits::validated | 1);
        if (state == StateRef::held)
            put_page(table);
        return {};
    }
    if (taken == Error::Preempted && (state == StateRef::held || try_get(f))) {
        f.progress = progress;
        atomic_store(&f.type_info, type_bits::of(type) | type_bits::partial | 1);
        return Error::Preempted;
    }
    atomic_store(&f.type_info, type_bits::of(type) | type_bits::busy | type_bits::invalidating | 1);
    invalidate(f, type, progress, state);
    return taken == Error::Preempted ? Error::Invalid : taken.error();
}

/// The first reference of a type: the frame is busy, with a count of one.
Result<void> become(Frame& f, PageType type, PageType former)
{
    if (former != type && former != PageType::none)
        flush_former_type(f);
    if (type == PageType::writable) {
        atomic_store(&f.type_info, type_bits::of(type) | type_bits::validated | 1);
        return {};
    }
    if (atomic_load(&f.count_info) & count_bits::uncached) {
        machine::flush_cache(machine::map(mfn_of(f)), page_size);
        atomic_and(&f.count_info, ~count_bits::uncached);
    }
    if (is_page_table(type))
        return validate_table(f, type, 0, StateRef::none);
    const Result<void> valid = validate_descriptors(mfn_of(f));
    if (valid.ok())
        atomic_store(&f.type_info, type_bits::of(type) | type_bits::validated | 1);
    else
        retire(f, type);
    return valid;
}

/// One attempt at the type from the state `seen`. @return Again  the word has changed, or the holder is busy
Result<void> get_type_once(Frame& f, PageType type, u64 seen)
{
    const u64 count = type_bits::count(seen);
    const PageType former = type_bits::type(seen);
    if (count == 0) {
        const bool plain = type == PageType::writable && (former == type || former == PageType::none);
        const u64 next = type_bits::of(type) | (plain ? type_bits::validated : type_bits::busy) | 1;
        if (!atomic_compare_exchange(&f.type_info, seen, next))
            return Error::Again;
        return plain ? Result<void>{} : become(f, type, former);
    }
    if (former != type || count == type_bits::count_mask)
        return Error::Invalid;
    if (seen & type_bits::busy)
        return Error::Again;
    if (seen & type_bits::partial) {
        if (seen & type_bits::invalidating)
            return Error::Preempted;
        if (!atomic_compare_exchange(&f.type_info, seen, type_bits::of(type) | type_bits::busy | 1))
            return Error::Again;
        return validate_table(f, type, f.progress, StateRef::held);
    }
    return atomic_compare_exchange(&f.type_info, seen, seen + 1) ? Result<void>{} : Error::Again;
}

void put_last(Frame& f, PageType type)
{
    if (is_page_table(type))
        invalidate(f, type, abi::page_table_entries, StateRef::none);
    else
        retire(f, type);
}

/// Goes on with a parked table. It is in its owner's `pages` list again. @return whether it was retired.
bool resume_invalidation(Frame& f)
{
    u64 seen = atomic_load(&f.type_info);
    const PageType type = type_bits::type(seen);
    atomic_store(&f.type_info, type_bits::of(type) | type_bits::busy | type_bits::invalidating | 1);
    return invalidate(f, type, f.progress, StateRef::held);
}

/// Takes a table off the list of unfinished ones. It stays counted as interrupted. @return null if the list is empty
Frame* take_unfinished(Owner& owner)
{
    LockGuard guard(owner.lock);
    if (owner.unfinished.empty())
        return nullptr;
    const Mfn mfn(owner.unfinished.first);
    owner.unfinished.remove(mfn);
    owner.pages.push_back(mfn);
    return &frame(mfn);
}

}

Result<void> get_type_slowly(Mfn mfn, PageType type)
{
    Frame& f = frame(mfn);
    for (;;) {
        const Result<void> result = get_type_once(f, type, atomic_load(&f.type_info));
        if (!(result == Error::Again))
            return result;
        machine::relax();
    }
}

void put_type_slowly(Mfn mfn)
{
    Frame& f = frame(mfn);
    u64 seen = atomic_load(&f.type_info);
    for (;;) {
        const u64 count = type_bits::count(seen);
        XYLEM_ASSERT(count != 0 && (seen & type_bits::validated), "put of a type that nobody holds");
        if (count > 1) {
            if (atomic_compare_exchange(&f.type_info, seen, seen - 1))
                return;
            continue;
        }
        const PageType type = type_bits::type(seen);
        // Busy before it is stamped, a writable page too: one that others may take and give back in between could be
        // given a stamp from before their mappings, and keep the count of one that we have seen.
        if (atomic_compare_exchange(&f.type_info, seen,
                                    type_bits::of(type) | type_bits::busy | type_bits::invalidating | 1))
            return put_last(f, type);
    }
}

bool has_pending(const Owner& owner)
{
    return atomic_load(&owner.interrupted) != 0;
}

Result<void> finish_pending(Owner& owner)
{
    while (has_pending(owner)) {
        Frame* f = take_unfinished(owner);
        if (!f)
            return Error::Preempted; // the rest of them are in the hands of other processors
        const bool done = resume_invalidation(*f);
        // Not before it is retired, or counted anew: who reads zero goes on to use the pages as something else.
        atomic_add(&owner.interrupted, ~0u);
        if (!done || preempted())
            return Error::Preempted;
    }
    return {};
}

Result<void> pin(Owner& owner, Mfn mfn, PageType type)
{
    TypeRef table = TRY(get_page_and_type(mfn, owner.id, type));
    if (atomic_or(&frame(mfn).type_info, type_bits::pinned) & type_bits::pinned)
        return Error::Invalid;
    table.release();
    return {};
}

Result<void> unpin(Owner& owner, Mfn mfn)
{
    PageRef held = TRY(get_page(mfn, owner.id));
    if (!(atomic_and(&frame(mfn).type_info, ~type_bits::pinned) & type_bits::pinned))
        return Error::Invalid;
    put_page_and_type(mfn);
    return {};
}

void abandon_validation(Mfn mfn)
{
    Frame& f = frame(mfn);
    u64 seen = atomic_load(&f.type_info);
    if (!(seen & type_bits::partial) || (seen & type_bits::invalidating))
        return;
    const PageType type = type_bits::type(seen);
    if (atomic_compare_exchange(&f.type_info, seen,
                                type_bits::of(type) | type_bits::busy | type_bits::invalidating | 1))
        invalidate(f, type, f.progress, StateRef::held);
}

}
