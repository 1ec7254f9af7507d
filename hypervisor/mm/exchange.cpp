// Frames in exchange are in nobody's lists, and are linked through the frame table here.

#include "hypervisor/mm/exchange.hpp"

#include "hypervisor/mm/reservation.hpp"

namespace xylem::mm {
namespace {

Mfn pop(FrameList& list)
{
    const Mfn first(list.first);
    list.remove(first);
    return first;
}

}

Result<void> Exchange::allocate(unsigned order, unsigned max_address_bits)
{
    order_ = order;
    runs_.push_back(TRY(allocate_unowned(order, max_address_bits)));
    return {};
}

Result<void> Exchange::take(Mfn mfn)
{
    TRY(steal(owner_, mfn));
    taken_.push_back(mfn);
    return {};
}

Result<Mfn> Exchange::give(Pfn first_pfn)
{
    const Mfn first = pop(runs_);
    const Result<void> restored = restore_frames(owner_, first, order_);
    if (!restored.ok()) {
        discard_frames(first, order_);
        return restored.error();
    }
    for (u64 i = 0; i < u64{1} << order_; ++i)
        m2p[first.value + i] = first_pfn.value + i;
    return first;
}

void Exchange::commit()
{
    while (!taken_.empty())
        discard_frames(pop(taken_), 0);
}

Exchange::~Exchange()
{
    while (!runs_.empty())
        discard_frames(pop(runs_), order_);
    while (!taken_.empty()) {
        const Mfn mfn = pop(taken_);
        if (!restore_frames(owner_, mfn, 0).ok())
            discard_frames(mfn, 0);
    }
}

}
