// Runs of frames in a sorted array: cutting out may split one, taking shortens one from its end.

#include "hypervisor/arch/x86_64/boot_memory.hpp"

namespace xylem::arch {

void BootMemory::insert(unsigned at, Run run)
{
    if (count_ == capacity || run.first >= run.last)
        return;
    for (unsigned i = count_++; i > at; --i)
        runs_[i] = runs_[i - 1];
    runs_[at] = run;
}

void BootMemory::erase(unsigned at)
{
    --count_;
    for (unsigned i = at; i < count_; ++i)
        runs_[i] = runs_[i + 1];
}

void BootMemory::add_map(std::span<const abi::E820Entry> map, Mfn floor)
{
    for (const abi::E820Entry& entry : map) {
        if (entry.type != static_cast<u32>(abi::E820Type::ram))
            continue;
        Run run{Mfn(pages_for(entry.addr)), Mfn((entry.addr + entry.size) >> page_shift)};
        if (run.first < floor)
            run.first = floor;
        reserve(run.first, run.last); // firmware that lists a run twice gives it once
        unsigned at = 0;
        while (at < count_ && runs_[at].first < run.first)
            ++at;
        insert(at, run);
    }
    for (const abi::E820Entry& entry : map)
        if (entry.type != static_cast<u32>(abi::E820Type::ram))
            reserve(Mfn(entry.addr >> page_shift), Mfn(pages_for(entry.addr + entry.size)));
}

void BootMemory::reserve(Mfn first, Mfn last)
{
    for (unsigned i = 0; i < count_;) {
        Run& run = runs_[i];
        if (run.last <= first || run.first >= last) {
            ++i;
            continue;
        }
        const Run below{run.first, first}, above{last, run.last};
        erase(i);
        if (above.first < above.last)
            insert(i, above);
        if (below.first < below.last)
            insert(i++, below);
        if (above.first < above.last)
            ++i;
    }
}

Mfn BootMemory::take(u64 count, u64 alignment, Mfn limit)
{
    for (unsigned i = count_; i-- > 0;) {
        const u64 end = runs_[i].last < limit ? runs_[i].last.value : limit.value;
        if (end < count)
            continue;
        const Mfn start((end - count) / alignment * alignment);
        if (start < runs_[i].first || end < runs_[i].first.value)
            continue;
        reserve(start, start + count);
        return start;
    }
    return invalid_mfn;
}

u64 BootMemory::free_frames() const
{
    u64 total = 0;
    for (const Run& run : runs())
        total += run.last - run.first;
    return total;
}

}
