// A set of numbers kept as disjoint, sorted, inclusive ranges: I/O memory, I/O ports, interrupts that a domain may use.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::mm {

class RangeSet {
public:
    struct Range {
        u64 first, last; // inclusive
    };

    constexpr RangeSet() = default;
    RangeSet(const RangeSet&) = delete;
    RangeSet& operator=(const RangeSet&) = delete;
    // No destructor, so that one can be static; whoever has one of shorter life ends with clear().

    /// Adds [first, last]. @return NoMemory, with nothing changed; Invalid if last < first
    Result<void> add(u64 first, u64 last);
    /// Removes [first, last]. @return NoMemory (a range may split), with nothing changed; Invalid if last < first
    Result<void> remove(u64 first, u64 last);
    bool contains(u64 first, u64 last) const;
    bool contains(u64 number) const { return contains(number, number); }
    /// Whether any number of [first, last] is in the set.
    bool overlaps(u64 first, u64 last) const;
    bool empty() const { return count_ == 0; }
    void clear();

    const Range* begin() const { return ranges_; }
    const Range* end() const { return ranges_ + count_; }

private:
    Result<void> reserve(u32 count);
    u32 first_ending_at_or_after(u64 number) const;

    Range* ranges_ = nullptr;
    u32 count_ = 0, capacity_ = 0;
};

}
