// See exchange.hpp.

#include "hypervisor/mm/exchange.hpp"

#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/reservation.hpp"

namespace xylem::mm {
namespace {

constexpr u64 frames_between_questions = 8;

Mfn pop(FrameList& list)
{
    const Mfn first(list.first);
    list.remove(first);
    return first;
}

bool is_same(const abi::MemoryReservation& a, const abi::MemoryReservation& b)
{
    return a.extent_start.address == b.extent_start.address && a.nr_extents == b.nr_extents &&
           a.extent_order == b.extent_order && a.mem_flags == b.mem_flags && a.domid == b.domid;
}

}

bool Exchange::Request::operator==(const Request& other) const
{
    return caller == other.caller && vcpu == other.vcpu && is_same(what.in, other.what.in) &&
           is_same(what.out, other.what.out) && what.nr_exchanged == other.what.nr_exchanged;
}

bool Exchange::has_worked_long()
{
    if (worked_ < frames_between_questions)
        return false;
    worked_ = 0;
    return true;
}

void Exchange::advance(u64 end, Phase next)
{
    if (++done_ < end)
        return;
    phase_ = next;
    done_ = 0;
}

Result<void> Exchange::begin(const Request& request, const Chunk& chunk)
{
    if (owner_->dying)
        return Error::Invalid; // whoever ends it may have looked here already
    request_ = request;
    chunk_ = chunk;
    phase_ = Phase::allocating;
    outcome_ = {};
    done_ = 0;
    return {};
}

Result<void> Exchange::allocate()
{
    const Result<Mfn> run = allocate_unowned(chunk_.order, chunk_.max_address_bits);
    worked_ += u64{1} << chunk_.order;
    if (run == Error::Preempted)
        return Error::Preempted;
    if (!run.ok()) {
        undo(run.error());
        return {};
    }
    runs_.push_back(run.value());
    advance(chunk_.runs, Phase::taking);
    return {};
}

void Exchange::take(Mfn mfn)
{
    const Result<void> stolen = steal(*owner_, mfn);
    ++worked_;
    if (!stolen.ok())
        return undo(stolen.error());
    taken_.push_back(mfn);
    advance(chunk_.runs << chunk_.order, Phase::giving);
}

void Exchange::undo(Error why)
{
    phase_ = Phase::undoing;
    outcome_ = why;
}

Result<Mfn> Exchange::give(Pfn first_pfn)
{
    const Mfn first = pop(runs_);
    const u64 frames = u64{1} << chunk_.order;
    advance(chunk_.runs, Phase::freeing);
    worked_ += frames;
    if (const Result<void> restored = restore_frames(*owner_, first, chunk_.order); !restored.ok()) {
        discard_frames(first, chunk_.order);
        fail(restored.error());
        return restored.error();
    }
    for (u64 i = 0; i < frames; ++i)
        m2p[first.value + i] = first_pfn.value == invalid_m2p ? invalid_m2p : first_pfn.value + i;
    return first;
}

/// Runs are left only if it is undone.
void Exchange::clean_up()
{
    if (!runs_.empty()) {
        discard_frames(pop(runs_), chunk_.order);
        worked_ += u64{1} << chunk_.order;
    } else if (!taken_.empty()) {
        const Mfn mfn = pop(taken_);
        if (phase_ == Phase::freeing || !restore_frames(*owner_, mfn, 0).ok())
            discard_frames(mfn, 0);
        ++worked_;
    }
    if (runs_.empty() && taken_.empty())
        phase_ = Phase::none;
}

Result<void> Exchange::abandon()
{
    if (phase_ == Phase::allocating || phase_ == Phase::taking)
        undo(Error::Invalid);
    while (is_under_way()) {
        if (phase_ == Phase::giving)
            (void)give(Pfn(invalid_m2p));
        else
            clean_up();
        if (has_worked_long() && preemption_check && preemption_check())
            return Error::Preempted;
    }
    return {};
}

}
