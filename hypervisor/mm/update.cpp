// Updates of entries. The order is always: take what the new entry holds, exchange the entries, give back what the old
// one held. The table itself is kept in its type by a type reference meanwhile, and the exchange is a compare-exchange,
// so that two processors that change one entry each give back just what they replaced.

#include "hypervisor/mm/update.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/mm/data_entry.hpp"
#include "hypervisor/mm/entry_rules.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/table_entry.hpp"

namespace xylem::mm {
namespace {

constexpr u64 hardware_bits = pte::accessed | pte::dirty;

enum class Exchanged : u8 { yes, no };

/// Puts `value` in the place of `old`. The hardware may set A and D in between: that changes nothing about what the
/// entry holds. @return no  somebody else has changed the entry; `old` is what it is now
Exchanged exchange_entry(u64* entry, u64& old, u64 value, AccessedDirty accessed_dirty)
{
    const u64 expected = old;
    for (;;) {
        const u64 kept = accessed_dirty == AccessedDirty::preserve ? old & hardware_bits : 0;
        if (machine::compare_exchange_pte(entry, old, value | kept))
            return Exchanged::yes;
        if ((old ^ expected) & ~hardware_bits)
            return Exchanged::no;
    }
}

bool only_free_bits_differ(u64 old, u64 value)
{
    return is_present(old) && ((old ^ value) & ~freely_changeable) == 0;
}

/// @return Busy  somebody else changes the entry at the same time
Result<void> modify_l1(const Parties& parties, u64* entry, u64 value, AccessedDirty accessed_dirty)
{
    u64 old = atomic_load(entry);
    if (is_present(value)) {
        value = adjust_l1(value);
        if (only_free_bits_differ(old, value))
            return exchange_entry(entry, old, value, accessed_dirty) == Exchanged::yes ? Result<void>{} : Error::Busy;
        TRY(take_data_entry(parties, value));
    }
    if (exchange_entry(entry, old, value, accessed_dirty) == Exchanged::no) {
        put_data_entry(value);
        return Error::Busy;
    }
    put_data_entry(old);
    return {};
}

enum class Known : u8 { to_be_ram, nothing };

/// Holds a table in its type while an entry of it is changed.
class HeldTable {
public:
    HeldTable(const Owner& owner, Mfn mfn, PageType type, Known known = Known::nothing) : mfn_(mfn)
    {
        if ((known == Known::nothing && !is_ram(mfn)) || !try_get(frame(mfn)))
            return;
        held_ = frame(mfn).owner == owner.id && try_get_type(mfn, type);
        if (!held_)
            put_page(mfn);
    }
    HeldTable(const HeldTable&) = delete;
    HeldTable& operator=(const HeldTable&) = delete;
    ~HeldTable()
    {
        if (held_)
            put_page_and_type(mfn_);
    }
    bool held() const { return held_; }

private:
    Mfn mfn_;
    bool held_ = false;
};

Result<void> modify_table(Owner& owner, Mfn table, unsigned level, unsigned index, u64 value,
                          AccessedDirty accessed_dirty, FlushNeeded& flush)
{
    if (is_hypervisor_slot(level, index))
        return Error::Invalid;
    u64* entry = machine::map<u64>(table) + index;
    u64 old = atomic_load(entry);
    if (is_present(value)) {
        const u64 adjusted = adjust_table_entry(value, level);
        if (only_free_bits_differ(old, adjusted) && !(value & forbidden_flags(level, owner.cache_control))) {
            if (exchange_entry(entry, old, adjusted, accessed_dirty) == Exchanged::no)
                return Error::Busy;
            flush = FlushNeeded::all_of_owner;
            return {};
        }
        value = TRY(take_table_entry(owner, table, level, value));
    }
    if (exchange_entry(entry, old, value, accessed_dirty) == Exchanged::no) {
        put_table_entry(table, level, value);
        return Error::Busy;
    }
    put_table_entry(table, level, old);
    if (is_present(old))
        flush = FlushNeeded::all_of_owner;
    return {};
}

Result<void> update_table(const Parties& parties, Mfn mfn, PageType type, unsigned index, u64 value,
                          AccessedDirty accessed_dirty, FlushNeeded& flush)
{
    if (&parties.data != &parties.tables)
        return Error::Invalid;
    const HeldTable table(parties.tables, mfn, type);
    if (!table.held())
        return Error::Invalid;
    return modify_table(parties.tables, mfn, level_of(type), index, value, accessed_dirty, flush);
}

/// A frame that is no page table at present: a store to it is what it would be if the guest did it itself.
Result<void> store_in_plain_page(Owner& owner, Mfn mfn, unsigned index, u64 value)
{
    const TypeRef page = TRY(get_page_and_type(mfn, owner.id, PageType::writable));
    atomic_store(machine::map<u64>(mfn) + index, value);
    return {};
}

constexpr unsigned index_in_page(MachineAddress address)
{
    return static_cast<unsigned>((address.value & ~page_mask) / sizeof(u64));
}

/// The common case: an entry of an L1 table, which is RAM.
inline Result<void> update_l1(const Parties& parties, Mfn table, unsigned index, u64 value,
                              AccessedDirty accessed_dirty)
{
    const HeldTable held(parties.tables, table, PageType::l1, Known::to_be_ram);
    if (!held.held()) [[unlikely]]
        return Error::Invalid;
    return modify_l1(parties, machine::map<u64>(table) + index, value, accessed_dirty);
}

/// All others. Kept out of the common case's way.
[[gnu::noinline]] Result<void> update_other(const Parties& parties, MachineAddress entry, u64 value,
                                            AccessedDirty accessed_dirty, FlushNeeded& flush)
{
    const Mfn mfn = mfn_of(entry);
    const u64 type_info = atomic_load(&frame(mfn).type_info);
    const PageType type = type_bits::type(type_info);
    if (is_page_table(type) && (type_info & type_bits::validated))
        return update_table(parties, mfn, type, index_in_page(entry), value, accessed_dirty, flush);
    return store_in_plain_page(parties.tables, mfn, index_in_page(entry), value);
}

/// The L1 entry at a machine address, with its table held.
class HeldL1Entry {
public:
    HeldL1Entry(const Owner& owner, MachineAddress address)
        : table_(owner, mfn_of(address), PageType::l1), address_(address)
    {
    }
    bool held() const { return table_.held() && address_.value % sizeof(u64) == 0; }
    u64* operator*() const { return machine::map<u64>(address_); }

private:
    HeldTable table_;
    MachineAddress address_;
};

}

Result<void> update_l1_entry(const Parties& parties, Mfn table, unsigned index, u64 value, AccessedDirty accessed_dirty)
{
    return is_ram(table) ? update_l1(parties, table, index, value, accessed_dirty) : Error::Invalid;
}

Result<void> update_entry(const Parties& parties, MachineAddress entry, u64 value, AccessedDirty accessed_dirty,
                          FlushNeeded& flush)
{
    const Mfn mfn = mfn_of(entry);
    if (entry.value % sizeof(u64) != 0 || !is_ram(mfn)) [[unlikely]]
        return Error::Invalid;
    const u64 type_info = atomic_load(&frame(mfn).type_info);
    constexpr u64 l1_in_use = type_bits::of(PageType::l1) | type_bits::validated;
    if ((type_info & (type_bits::type_mask | type_bits::validated)) == l1_in_use) [[likely]]
        return update_l1(parties, mfn, index_in_page(entry), value, accessed_dirty);
    return update_other(parties, entry, value, accessed_dirty, flush);
}

Result<MachineAddress> find_l1_entry(MachineAddress root, VirtualAddress address)
{
    if (!abi::is_canonical(address.value) || abi::in_hypervisor_hole(address.value))
        return Error::Invalid;
    MachineAddress table = root;
    for (unsigned level = 4; level > 1; --level) {
        const u64 entry = atomic_load(machine::map<u64>(table) + abi::page_table_index(address.value, level));
        // Guest tables hold no large pages; the dom0 builder's may.
        if (!is_present(entry) || (entry & pte::page_size) || !is_ram(target_of(entry)))
            return Error::Invalid;
        table = address_of(target_of(entry));
    }
    return table + sizeof(u64) * abi::page_table_index(address.value, 1);
}

u64 read_l1_entry(MachineAddress root, VirtualAddress address)
{
    const Result<MachineAddress> where = find_l1_entry(root, address);
    return where.ok() ? atomic_load(machine::map<u64>(where.value())) : 0;
}

Result<Mfn> page_table_behind(Owner& owner, MachineAddress root, VirtualAddress address)
{
    const u64 entry = read_l1_entry(root, address);
    const Mfn mfn = target_of(entry);
    if (!is_present(entry) || (entry & pte::writable) || !is_ram(mfn))
        return Error::Invalid;
    const u64 type_info = atomic_load(&frame(mfn).type_info);
    if (type_bits::type(type_info) != PageType::l1 || !(type_info & type_bits::validated) ||
        frame(mfn).owner != owner.id)
        return Error::Invalid;
    return mfn;
}

Result<void> emulate_pte_write(Owner& owner, Mfn table, unsigned offset, u64 old, u64 value)
{
    const HeldL1Entry entry(owner, address_of(table) + offset);
    if (!entry.held())
        return Error::Invalid;
    if (is_present(value)) {
        value = adjust_l1(value);
        if (only_free_bits_differ(old, value))
            return machine::compare_exchange_pte(*entry, old, value) ? Result<void>{} : Error::Again;
        TRY(take_data_entry({.tables = owner, .data = owner, .caller = owner}, value));
    }
    if (!machine::compare_exchange_pte(*entry, old, value)) {
        put_data_entry(value);
        return Error::Again;
    }
    put_data_entry(old);
    return {};
}

Result<void> write_grant_entry(Owner& tables, MachineAddress address, Mfn mfn, u64 flags)
{
    const HeldL1Entry entry(tables, address);
    if (!entry.held())
        return Error::Invalid;
    if ((flags & pte::writable) && frame(mfn).owner != tables.id)
        atomic_or(&frame(mfn).count_info, count_bits::foreign);
    const u64 value = adjust_l1(address_of(mfn).value | flags | pte::present);
    u64 old = atomic_load(*entry);
    while (!machine::compare_exchange_pte(*entry, old, value)) {
    }
    put_data_entry(old);
    return {};
}

Result<void> clear_grant_entry(Owner& tables, MachineAddress address, Mfn mfn, bool writable, u64 replacement)
{
    const HeldL1Entry entry(tables, address);
    if (!entry.held())
        return Error::Invalid;
    u64 old = atomic_load(*entry);
    do {
        if (!is_present(old) || target_of(old) != mfn || bool(old & pte::writable) != writable)
            return Error::Invalid;
    } while (!machine::compare_exchange_pte(*entry, old, replacement));
    return {};
}

Result<u64> take_entry(Owner& tables, MachineAddress address)
{
    const HeldL1Entry entry(tables, address);
    if (!entry.held())
        return Error::Invalid;
    u64 old = atomic_load(*entry);
    while (!machine::compare_exchange_pte(*entry, old, 0)) {
    }
    return old;
}

}
