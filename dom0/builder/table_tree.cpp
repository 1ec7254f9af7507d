// See table_tree.hpp. Addresses here are canonical ones cut to 48 bits, so that they can be counted upwards.
#include "dom0/builder/table_tree.hpp"

#include "hypervisor/abi/x86_64/pte.hpp"

#include <algorithm>

namespace xylem::dom0::builder {

namespace {

constexpr u64 address_mask = (u64{1} << 48) - 1;
constexpr unsigned top_level = 4;

/// How much of the address space one table of `level` covers, and one entry of it.
constexpr u64 table_span(unsigned level)
{
    return u64{1} << (page_shift + abi::page_table_index_bits * level);
}
constexpr u64 entry_span(unsigned level)
{
    return table_span(level - 1);
}

constexpr u64 leaf_flags = abi::pte::present | abi::pte::user | abi::pte::accessed;
constexpr u64 table_flags =
    abi::pte::present | abi::pte::writable | abi::pte::user | abi::pte::accessed | abi::pte::dirty;

}

template <typename Visit> void TableTree::for_each_table(const MappedRange& range, Visit visit)
{
    const u64 first = range.address & address_mask;
    const u64 last = range.last_address() & address_mask;
    for (unsigned level = top_level; level >= 1; --level)
        for (u64 address = first & ~(table_span(level) - 1); address <= last; address += table_span(level))
            visit(Key(level, address));
}

u64 TableTree::missing(const MappedRange& range) const
{
    u64 count = 0;
    for_each_table(range, [&](Key key) { count += !tables_.contains(key); });
    return count;
}

u64 TableTree::add(const MappedRange& range, u64 frame)
{
    for_each_table(range, [&](Key key) {
        if (tables_.try_emplace(key, frame).second)
            ++frame;
    });
    ranges_.push_back(range);
    return frame;
}

void TableTree::fill_directory(Entries& entries, unsigned level, u64 base, std::span<const Mfn> mfns) const
{
    const Key end(level - 1, base + table_span(level));
    for (auto child = tables_.lower_bound(Key(level - 1, base)); child != tables_.end() && child->first < end;
         ++child) {
        const auto& [key, frame] = *child;
        entries[(key.second - base) / entry_span(level)] = mfns[frame].value << page_shift | table_flags;
    }
}

void TableTree::fill_leaf(Entries& entries, u64 base, std::span<const Mfn> mfns,
                          const std::vector<bool>& is_table) const
{
    for (const MappedRange& range : ranges_) {
        const u64 start = range.address & address_mask;
        const u64 from = std::max(start, base);
        const u64 to = std::min(start + (range.pages << page_shift), base + table_span(1));
        for (u64 address = from; address < to; address += page_size) {
            const u64 target = range.first + ((address - start) >> page_shift);
            // A page table that its domain could write to would be refused by the hypervisor.
            const u64 access = is_table[target] ? 0 : abi::pte::writable | abi::pte::dirty;
            entries[(address - base) >> page_shift] = mfns[target].value << page_shift | leaf_flags | access;
        }
    }
}

void TableTree::write(std::span<const Mfn> mfns,
                      const std::function<void(u64 frame, std::span<const u64, 512>)>& write) const
{
    std::vector<bool> is_table(mfns.size());
    for (const auto& table : tables_)
        is_table[table.second] = true;
    for (const auto& [key, frame] : tables_) {
        const auto [level, base] = key;
        Entries entries{};
        if (level == 1)
            fill_leaf(entries, base, mfns, is_table);
        else
            fill_directory(entries, level, base, mfns);
        write(frame, entries);
    }
}

}
