// The frame table's storage and the marks of what is RAM.

#include "hypervisor/mm/frame.hpp"

namespace xylem::mm {

Frame* frame_table = nullptr;
u64* m2p = nullptr;
u64 backed_groups[max_frames / frames_per_group / 64];

void mark_ram(Mfn first, Mfn last)
{
    for (u64 group = first.value / frames_per_group; group * frames_per_group < last.value; ++group)
        backed_groups[group / 64] |= u64{1} << (group % 64);
    for (Mfn mfn = first; mfn < last; ++mfn) {
        frame(mfn).count_info |= count_bits::ram;
        m2p[mfn.value] = invalid_m2p;
    }
}

}
