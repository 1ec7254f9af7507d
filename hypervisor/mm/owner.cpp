// The table of owners by domain id, and the lists of frames they keep.

#include "hypervisor/mm/owner.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/owner_frames.hpp"

namespace xylem::mm {
namespace {

Owner* owners[first_reserved_domid];
constinit Owner io{domid_io};
constinit Owner xen{domid_xen};
constinit RangeSet read_only_io;

}

void FrameList::push_back(Mfn mfn)
{
    Frame& f = frame(mfn);
    const u32 number = static_cast<u32>(mfn.value);
    f.previous = last;
    f.next = no_frame;
    if (last == no_frame)
        first = number;
    else
        frame_table[last].next = number;
    last = number;
}

void FrameList::remove(Mfn mfn)
{
    Frame& f = frame(mfn);
    if (f.previous == no_frame)
        first = f.next;
    else
        frame_table[f.previous].next = f.next;
    if (f.next == no_frame)
        last = f.previous;
    else
        frame_table[f.next].previous = f.previous;
    f.next = f.previous = no_frame;
}

void unlink_owned(Owner& owner, Mfn mfn)
{
    const u32 number = static_cast<u32>(mfn.value);
    for (FrameList* list : {&owner.relinquished, &owner.unfinished})
        if (list->first == number || list->last == number)
            return list->remove(mfn);
    // In the middle of a list it does not matter of which.
    owner.pages.remove(mfn);
}

void register_owner(Owner& owner)
{
    XYLEM_ASSERT(owner.id.value < first_reserved_domid && !owners[owner.id.value], "domain id {} taken", owner.id);
    owners[owner.id.value] = &owner;
}

void unregister_owner(Owner& owner)
{
    XYLEM_ASSERT(drained(owner), "owner {} still has frames", owner.id);
    owners[owner.id.value] = nullptr;
    owner.io_memory.clear();
    if (owner.memory_map)
        free_bytes(owner.memory_map);
    owner.memory_map = nullptr;
}

Owner* find_owner(DomId id)
{
    if (id.value < first_reserved_domid)
        return owners[id.value];
    if (id == domid_io)
        return &io;
    return id == domid_xen ? &xen : nullptr;
}

bool drained(Owner& owner)
{
    LockGuard guard(owner.lock);
    return owner.total_pages == 0 && owner.special_pages == 0;
}

Owner& io_owner()
{
    return io;
}
Owner& xen_owner()
{
    return xen;
}
RangeSet& read_only_io_memory()
{
    return read_only_io;
}

}
