// A sorted array of disjoint ranges with gaps between them, grown by doubling.

#include "hypervisor/mm/range_set.hpp"

#include "hypervisor/mm/heap.hpp"

namespace xylem::mm {

void RangeSet::clear()
{
    if (ranges_)
        free_bytes(ranges_);
    ranges_ = nullptr;
    count_ = capacity_ = 0;
}

Result<void> RangeSet::reserve(u32 count)
{
    if (count <= capacity_)
        return {};
    const u32 capacity = capacity_ ? capacity_ * 2 : 16;
    Range* larger = make_array<Range>(capacity);
    if (!larger)
        return Error::NoMemory;
    for (u32 i = 0; i < count_; ++i)
        larger[i] = ranges_[i];
    if (ranges_)
        free_bytes(ranges_);
    ranges_ = larger;
    capacity_ = capacity;
    return {};
}

u32 RangeSet::first_ending_at_or_after(u64 number) const
{
    u32 low = 0, high = count_;
    while (low < high) {
        const u32 middle = (low + high) / 2;
        if (ranges_[middle].last < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool RangeSet::contains(u64 first, u64 last) const
{
    const u32 i = first_ending_at_or_after(first);
    return first <= last && i < count_ && ranges_[i].first <= first && last <= ranges_[i].last;
}

bool RangeSet::overlaps(u64 first, u64 last) const
{
    const u32 i = first_ending_at_or_after(first);
    return first <= last && i < count_ && ranges_[i].first <= last;
}

Result<void> RangeSet::add(u64 first, u64 last)
{
    if (last < first)
        return Error::Invalid;
    TRY(reserve(count_ + 1));
    // All ranges that touch or overlap [first, last] melt into it.
    u32 begin = first_ending_at_or_after(first ? first - 1 : 0);
    u32 end = begin;
    while (end < count_ && (last == ~u64{0} || ranges_[end].first <= last + 1)) {
        first = ranges_[end].first < first ? ranges_[end].first : first;
        last = ranges_[end].last > last ? ranges_[end].last : last;
        ++end;
    }
    if (begin == end) {
        for (u32 i = count_; i > begin; --i)
            ranges_[i] = ranges_[i - 1];
        ++count_;
    } else {
        for (u32 i = end; i < count_; ++i)
            ranges_[begin + 1 + i - end] = ranges_[i];
        count_ -= end - begin - 1;
    }
    ranges_[begin] = {first, last};
    return {};
}

Result<void> RangeSet::remove(u64 first, u64 last)
{
    if (last < first)
        return Error::Invalid;
    TRY(reserve(count_ + 1));
    u32 i = first_ending_at_or_after(first);
    while (i < count_ && ranges_[i].first <= last) {
        const Range old = ranges_[i];
        const bool keeps_head = old.first<first, keeps_tail = old.last> last;
        if (keeps_head && keeps_tail) {
            for (u32 j = count_; j > i + 1; --j)
                ranges_[j] = ranges_[j - 1];
            ++count_;
            ranges_[i].last = first - 1;
            ranges_[i + 1] = {last + 1, old.last};
            return {};
        }
        if (keeps_head) {
            ranges_[i++].last = first - 1;
        } else if (keeps_tail) {
            ranges_[i].first = last + 1;
            return {};
        } else {
            for (u32 j = i + 1; j < count_; ++j)
                ranges_[j - 1] = ranges_[j];
            --count_;
        }
    }
    return {};
}

}
