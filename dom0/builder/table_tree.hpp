// Page tables that are still to be written: which tables map a set of address ranges, and what each will contain.
#pragma once

#include "hypervisor/base/types.hpp"

#include <array>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace xylem::dom0::builder {

/// Pages from `address` on, to be mapped to the frames from `first` on.
struct MappedRange {
    u64 address;
    u64 first;
    u64 pages;
    u64 last_address() const { return address + (pages << page_shift) - 1; }
};

class TableTree {
public:
    /// How many tables `range` needs beyond those that are there.
    u64 missing(const MappedRange& range) const;

    /// Adds `range`, taking the frames of its new tables from `frame` on, the root first and level by level.
    /// @return the frame after the last one taken.
    u64 add(const MappedRange& range, u64 frame);

    u64 root() const { return tables_.rbegin()->second; } // the one key of the highest level

    /// Calls `write` for every table with its frame and its 512 entries. `mfns` says which machine frame each frame is.
    void write(std::span<const Mfn> mfns, const std::function<void(u64 frame, std::span<const u64, 512>)>& write) const;

private:
    /// Level, and the first address that a table of it covers.
    using Key = std::pair<unsigned, u64>;

    template <typename Visit> static void for_each_table(const MappedRange& range, Visit visit);
    using Entries = std::array<u64, 512>;

    void fill_leaf(Entries& entries, u64 base, std::span<const Mfn> mfns, const std::vector<bool>& is_table) const;
    void fill_directory(Entries& entries, unsigned level, u64 base, std::span<const Mfn> mfns) const;

    std::map<Key, u64> tables_;
    std::vector<MappedRange> ranges_;
};

}
