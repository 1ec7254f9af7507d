// Entries of levels 2 to 4, and linear ones among them.
//
// A linear entry points to a table of the level that it stands in, read-only, so that the guest sees its own page
// tables as data. Into its own table it holds nothing. Another table must have no linear entries itself, and the table
// that has the entry must be no such target: else a ring of tables could keep itself alive (XSA-240).

#include "hypervisor/mm/table_entry.hpp"

#include "hypervisor/mm/references.hpp"

namespace xylem::mm {
namespace {

/// Moves `uses` by `step`, if that does not cross zero from the other side or overflow.
bool count_linear_use(Frame& f, int step)
{
    i16 seen = atomic_load(&f.linear_uses);
    do {
        const int next = seen + step;
        if ((step > 0 && seen < 0) || (step < 0 && seen > 0) || next > INT16_MAX || next < INT16_MIN)
            return false;
    } while (!atomic_compare_exchange(&f.linear_uses, seen, static_cast<i16>(seen + step)));
    return true;
}

Result<void> take_linear(Owner& owner, Mfn table, unsigned level, u64 entry)
{
    const Mfn target = target_of(entry);
    if (entry & pte::writable)
        return Error::Invalid;
    if (target == table)
        return {};
    PageRef page = TRY(get_page(target, owner.id));
    if (!count_linear_use(frame(table), 1))
        return Error::Invalid;
    if (count_linear_use(frame(target), -1)) {
        if (try_get_type(target, page_table_type(level))) {
            page.release();
            return {};
        }
        atomic_add(&frame(target).linear_uses, i16{1});
    }
    atomic_add(&frame(table).linear_uses, i16{-1});
    return Error::Invalid;
}

Result<void> take_next_level(Owner& owner, unsigned level, u64 entry)
{
    PageRef page = TRY(get_page(target_of(entry), owner.id));
    TRY(get_type(page.mfn(), page_table_type(level - 1)));
    page.release();
    return {};
}

}

Result<u64> take_table_entry(Owner& owner, Mfn table, unsigned level, u64 entry)
{
    if (entry & forbidden_flags(level, owner.cache_control))
        return Error::Invalid;
    Result<void> taken = take_next_level(owner, level, entry);
    if (taken == Error::Invalid)
        taken = take_linear(owner, table, level, entry);
    TRY(taken);
    return adjust_table_entry(entry, level);
}

void put_table_entry(Mfn table, unsigned level, u64 entry)
{
    const Mfn target = target_of(entry);
    if (!is_present(entry) || target == table)
        return;
    // The entry's own type reference keeps the target's type as it is.
    if (page_type(target) == page_table_type(level)) {
        atomic_add(&frame(target).linear_uses, i16{1});
        atomic_add(&frame(table).linear_uses, i16{-1});
    }
    put_page_and_type(target);
}

}
