// See page_type_spec.hpp. Errors are not told apart: the code's tests do that.

#include "tests/model/page_type_spec.hpp"

namespace xylem::model {
namespace {

constexpr u64 p = 1, writable = 2, user = 4, pwt = 8, pcd = 16, accessed = 32, pse = 128, global = 256;
constexpr u64 kernel_mark = u64{1} << 52;
constexpr u64 frame_bits = 0x000ffffffffff000;

u64 target(u64 entry)
{
    return (entry & frame_bits) >> 12;
}
u64 stored_l1(u64 entry)
{
    if (!(entry & user))
        entry |= kernel_mark | user;
    return entry & kernel_mark ? entry : entry | global;
}

u64 stored_table_entry(u64 entry, unsigned level)
{
    return entry | user | (level == 4 ? accessed : 0);
}

/// A present entry that goes on to map the same frame with the same rights may change its other flags without a check.
bool is_same_mapping(u64 old, u64 value, unsigned level)
{
    constexpr u64 decisive = frame_bits | p | writable | pwt | pcd | pse;
    if (!(old & p) || (level > 1 && (value & global)))
        return false;
    return ((old ^ value) & decisive) == 0;
}

bool ours(unsigned level, unsigned index)
{
    return level == 4 && index >= 256 && index <= 271;
}

}

SpecPage* Spec::find(u64 mfn)
{
    const auto it = pages.find(mfn);
    return it == pages.end() || it->second.references == 0 ? nullptr : &it->second;
}

void Spec::drop_reference(u64 mfn)
{
    if (--pages[mfn].references == 0)
        pages.erase(mfn);
}

bool Spec::take(int owner, u64 mfn, PageType type)
{
    SpecPage* page = find(mfn);
    if (!page || page->owner != owner || !take_type(mfn, type))
        return false;
    ++pages[mfn].references;
    return true;
}

void Spec::put(u64 mfn)
{
    put_type(mfn);
    drop_reference(mfn);
}

bool Spec::take_type(u64 mfn, PageType type)
{
    if (pages[mfn].types > 0) {
        if (pages[mfn].type != type)
            return false;
        ++pages[mfn].types;
        return true;
    }
    pages[mfn].type = type;
    pages[mfn].types = 1;
    if (type == PageType::writable)
        return true;
    const unsigned level = static_cast<unsigned>(type);
    const auto words = pages[mfn].words;
    for (const auto& [index, word] : words) {
        if (!(word & p) || ours(level, index))
            continue;
        const int owner = pages[mfn].owner;
        const auto stored = take_entry(owner, owner, mfn, level, word);
        if (!stored)
            return false;
        set_word(mfn, index, *stored);
    }
    for (unsigned slot = 256; level == 4 && slot <= 271; ++slot)
        set_word(mfn, slot, slot_value(pages[mfn].owner, slot));
    return true;
}

void Spec::set_word(u64 mfn, unsigned index, u64 value)
{
    if (value)
        pages[mfn].words[index] = value;
    else
        pages[mfn].words.erase(index);
}

void Spec::put_type(u64 mfn)
{
    if (--pages[mfn].types > 0 || pages[mfn].type == PageType::writable)
        return;
    const unsigned level = static_cast<unsigned>(pages[mfn].type);
    const auto words = pages[mfn].words;
    for (const auto& [index, word] : words)
        if ((word & p) && !ours(level, index))
            put_entry(mfn, level, word);
}

bool Spec::take_data(int tables, int data, u64 entry)
{
    if (entry & (pwt | pcd | pse)) // bit 7 is PAT here: no I/O, no choice of caching
        return false;
    SpecPage* page = find(target(entry));
    if (!page)
        return false;
    if (page->owner != data && (data == tables || !domains[static_cast<size_t>(tables)].privileged))
        return false;
    if ((entry & writable) && !take_type(target(entry), PageType::writable))
        return false;
    ++page->references;
    return true;
}

bool Spec::take_linear(int owner, u64 table, unsigned level, u64 entry)
{
    const u64 to = target(entry);
    if (entry & writable)
        return false;
    if (to == table)
        return true;
    SpecPage* page = find(to);
    SpecPage& from = pages[table];
    if (!page || page->owner != owner || page->types == 0 || page->type != static_cast<PageType>(level))
        return false;
    if (from.linear_targets || page->linear_entries)
        return false;
    ++from.linear_entries;
    ++page->linear_targets;
    ++page->types;
    ++page->references;
    return true;
}

std::optional<u64> Spec::take_entry(int tables, int data, u64 table, unsigned level, u64 entry)
{
    if (level == 1) {
        entry = stored_l1(entry);
        return take_data(tables, data, entry) ? std::optional(entry) : std::nullopt;
    }
    if (entry & (pwt | pcd | pse | global))
        return std::nullopt;
    const Spec before = *this;
    if (!take(tables, target(entry), static_cast<PageType>(level - 1))) {
        *this = before;
        if (!take_linear(tables, table, level, entry))
            return std::nullopt;
    }
    return stored_table_entry(entry, level);
}

void Spec::put_entry(u64 table, unsigned level, u64 entry)
{
    const u64 to = target(entry);
    if (level == 1) {
        if (entry & writable)
            put_type(to);
        drop_reference(to);
        return;
    }
    if (to == table)
        return;
    if (pages[to].type == static_cast<PageType>(level)) {
        --pages[to].linear_targets;
        --pages[table].linear_entries;
    }
    put(to);
}

bool Spec::pin(int owner, u64 mfn, PageType type)
{
    const Spec before = *this;
    if (take(owner, mfn, type) && !pages[mfn].pinned) {
        pages[mfn].pinned = true;
        return true;
    }
    *this = before;
    return false;
}

bool Spec::unpin(int owner, u64 mfn)
{
    SpecPage* page = find(mfn);
    if (!page || page->owner != owner || !page->pinned)
        return false;
    page->pinned = false;
    put(mfn);
    return true;
}

bool Spec::take_root(int owner, u64 mfn)
{
    const Spec before = *this;
    if (take(owner, mfn, PageType::l4)) {
        set_word(mfn, 256, m2p_slot_value);
        return true;
    }
    *this = before;
    return false;
}

void Spec::put_root(u64 mfn)
{
    put(mfn);
}

bool Spec::take_writable(int owner, u64 mfn)
{
    const Spec before = *this;
    if (take(owner, mfn, PageType::writable))
        return true;
    *this = before;
    return false;
}

void Spec::put_writable(u64 mfn)
{
    put(mfn);
}

bool Spec::give_back(int owner, u64 mfn)
{
    SpecPage* page = find(mfn);
    if (!page || page->owner != owner || !page->allocated)
        return false;
    page->allocated = false;
    drop_reference(mfn);
    return true;
}

bool Spec::update(int tables, int data, u64 table, unsigned index, u64 value)
{
    const SpecPage* page = find(table);
    if (!page || page->owner != tables)
        return false;
    if (page->types == 0 || page->type == PageType::writable) {
        set_word(table, index, value);
        return true;
    }
    const unsigned level = static_cast<unsigned>(page->type);
    if ((level > 1 && data != tables) || ours(level, index))
        return false;
    const u64 old = page->words.contains(index) ? page->words.at(index) : 0;
    if (is_same_mapping(old, value, level)) {
        set_word(table, index, level == 1 ? stored_l1(value) : stored_table_entry(value, level));
        return true;
    }
    const Spec before = *this;
    // While an entry is changed the table keeps its type, whatever else goes.
    ++pages[table].types;
    ++pages[table].references;
    if (value & p) {
        const auto stored = take_entry(tables, data, table, level, value);
        if (!stored) {
            *this = before;
            return false;
        }
        value = *stored;
    }
    set_word(table, index, value);
    if (old & p)
        put_entry(table, level, old);
    put(table);
    return true;
}

}
