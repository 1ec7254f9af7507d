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
    return mm::assign_new_frames(reservation.owner, reservation.order, reservation.bits);
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

Result<void> decrease(const Reservation& reservation, u64 index)
{
    const Mfn first(TRY(reservation.extents.copy_in(index)));
    for (u64 i = 0; i < reservation.frames(); ++i)
        TRY(mm::give_back(reservation.owner, first + i));
    return {};
}

Result<void> change_extent(abi::MemoryCmd command, const Reservation& reservation, u64 index)
{
    switch (command) {
    case abi::MemoryCmd::increase_reservation:
        return increase(reservation, index);
    case abi::MemoryCmd::populate_physmap:
        return populate(reservation, index);
    default:
        return decrease(reservation, index);
    }
}

/// Works through the extents from `done` on. @return Preempted, or why it went no further
Result<void> change_extents(const MemoryRequest& request, u64& done)
{
    const auto asked = TRY(request.argument<abi::MemoryReservation>().copy_in());
    if (asked.nr_extents >= max_extents || done > asked.nr_extents || asked.extent_order > request.max_extent_order())
        return Error::Invalid;
    const DomainRef domain = TRY(request.named_domain(asked.domid));
    const Reservation reservation{.owner = domain->memory,
                                  .order = asked.extent_order,
                                  .bits = TRY(address_bits(asked.mem_flags)),
                                  .extents = GuestInOut<abi::RawFrame>(asked.extent_start.address)};
    for (const u64 start = done; done < asked.nr_extents; ++done) {
        if (done != start && should_preempt())
            return Error::Preempted;
        TRY(change_extent(request.command(), reservation, done));
    }
    return {};
}

}

i64 change_reservation(const MemoryRequest& request)
{
    u64 done = request.start();
    if (change_extents(request, done) == Error::Preempted)
        return request.continue_at(done);
    return static_cast<i64>(done);
}

}
