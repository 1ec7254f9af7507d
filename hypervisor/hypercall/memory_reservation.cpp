// increase_reservation, decrease_reservation, populate_physmap: extents of 2^order frames into and out of a domain.
// Whatever goes wrong, the answer is how many extents have been done. (docs/pv-abi.md 4.1)

#include "hypervisor/hypercall/memory_op.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/reservation.hpp"

namespace xylem::hypercall {
namespace {

constexpr u64 max_extents = u64{1} << 26; // more would not fit the command

struct Reservation {
    mm::Owner& owner;
    unsigned order, bits;
    GuestInOut<abi::RawFrame> extents;

    u64 frames() const { return u64{1} << order; }
};

Result<Mfn> allocate(const Reservation& reservation)
{
    return mm::assign_new_frames(reservation.owner, reservation.order, reservation.bits, mm::Scrub::yes,
                                 mm::Interruptible::yes);
}

Result<void> increase(const Reservation& reservation, u64 index)
{
    const Mfn first = TRY(allocate(reservation));
    return reservation.extents.null() ? Result<void>{} : reservation.extents.copy_out(first.value, index);
}

Result<void> populate(const Reservation& reservation, u64 index)
{
    const u64 first_pfn = TRY(reservation.extents.copy_in(index));
    const Mfn first = TRY(allocate(reservation));
    for (u64 i = 0; i < reservation.frames(); ++i)
        atomic_store(&mm::m2p[first.value + i], first_pfn + i);
    return reservation.extents.copy_out(first.value, index);
}

/// Gives frames back from frame `done` of the list on, which counts frames, not extents: one extent may be a long way.
/// @return Preempted, or why it went no further
Result<void> decrease(const Reservation& reservation, u64 extents, u64& done)
{
    constexpr u64 frames_between_questions = 32;
    Mfn first{};
    for (const u64 start = done; done < extents << reservation.order; ++done) {
        if (done != start && done % frames_between_questions == 0 && should_preempt())
            return Error::Preempted;
        const u64 in_extent = done & (reservation.frames() - 1);
        if (done == start || in_extent == 0)
            first = Mfn(TRY(reservation.extents.copy_in(done >> reservation.order)));
        TRY(mm::give_back(reservation.owner, first + in_extent));
    }
    return {};
}

/// Fills extents from `done` on. @return Preempted, or why it went no further
template <typename Fill> Result<void> fill(u64 extents, u64& done, Fill one)
{
    for (const u64 start = done; done < extents; ++done) {
        if (done != start && should_preempt())
            return Error::Preempted;
        TRY(one(done));
    }
    return {};
}

/// Works through the list. `done` is where to begin, and how far it has come: in frames if frames are given back, else
/// in extents. @return Preempted, or why it went no further
Result<void> change_extents(const MemoryRequest& request, u64& done, unsigned& order)
{
    const auto asked = TRY(request.argument<abi::MemoryReservation>().copy_in());
    if (asked.nr_extents >= max_extents || asked.extent_order > MemoryRequest::max_extent_order)
        return Error::Invalid;
    order = asked.extent_order;
    const DomainRef domain = TRY(request.named_domain(asked.domid));
    const Reservation reservation{.owner = domain->memory,
                                  .order = asked.extent_order,
                                  .bits = TRY(address_bits(asked.mem_flags)),
                                  .extents = GuestInOut<abi::RawFrame>(asked.extent_start.address)};
    switch (request.command()) {
    case abi::MemoryCmd::increase_reservation:
        return fill(asked.nr_extents, done, [&](u64 index) { return increase(reservation, index); });
    case abi::MemoryCmd::populate_physmap:
        return fill(asked.nr_extents, done, [&](u64 index) { return populate(reservation, index); });
    default:
        return decrease(reservation, asked.nr_extents, done);
    }
}

}

i64 change_reservation(const MemoryRequest& request)
{
    u64 done = request.start();
    unsigned order = 0;
    if (change_extents(request, done, order) == Error::Preempted)
        return request.continue_at(done);
    const bool in_frames = request.command() == abi::MemoryCmd::decrease_reservation;
    return static_cast<i64>(in_frames ? done >> order : done);
}

}
