// Memory before there is a heap: runs of frames taken from the top of RAM that nothing else occupies.
#pragma once

#include "hypervisor/abi/memory.hpp"
#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::arch {

/// Free RAM as disjoint runs of whole frames, sorted; what is in use is cut out before anything is taken.
class BootMemory {
public:
    struct Run {
        Mfn first, last; // [first, last)
    };

    /// Takes RAM entries from `floor` up; overlaps with other entries are not RAM.
    void add_map(std::span<const abi::E820Entry> map, Mfn floor);
    /// Cuts [first, last) out.
    void reserve(Mfn first, Mfn last);
    /// Takes `count` frames on a boundary of `alignment` frames, below `limit`, from as high as possible. @return
    /// invalid_mfn if none
    Mfn take(u64 count, u64 alignment = 1, Mfn limit = invalid_mfn);

    std::span<const Run> runs() const { return {runs_, count_}; }
    u64 free_frames() const;

private:
    void insert(unsigned at, Run run);
    void erase(unsigned at);

    static constexpr unsigned capacity = 192;
    Run runs_[capacity];
    unsigned count_ = 0;
};

}
