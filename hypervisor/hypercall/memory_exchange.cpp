// XENMEM_exchange: frames of a domain for others of another shape or width of address, chunk by chunk. Each chunk is
// done whole or not at all; `nr_exchanged` tells how far it came. (docs/pv-abi.md 4.1)

#include "hypervisor/hypercall/memory_op.hpp"
#include "hypervisor/mm/exchange.hpp"

namespace xylem::hypercall {
namespace {

/// One chunk is the larger of an input extent and an output extent.
struct Shape {
    unsigned in_per_chunk, out_per_chunk; ///< extents
    u64 chunks;

    static Shape of(const abi::MemoryExchange& e)
    {
        const unsigned in = e.in.extent_order, out = e.out.extent_order;
        const unsigned in_shift = out > in ? out - in : 0, out_shift = in > out ? in - out : 0;
        return {1U << in_shift, 1U << out_shift, e.in.nr_extents >> in_shift};
    }
};

Result<void> check(const abi::MemoryExchange& e)
{
    const unsigned limit = MemoryRequest::max_extent_order;
    if (e.in.extent_order > limit || e.out.extent_order > limit)
        return Error::NotPermitted;
    constexpr u64 max_extents = u64{1} << 40; // far beyond any machine, and no shift below overflows
    if (e.in.nr_extents > max_extents || e.out.nr_extents > max_extents || e.nr_exchanged > e.in.nr_extents ||
        e.in.domid != e.out.domid || e.in.nr_extents << e.in.extent_order != e.out.nr_extents << e.out.extent_order)
        return Error::Invalid;
    // Before any frame changes hands.
    if (!guest_range_ok(e.in.extent_start.address, e.in.nr_extents * sizeof(abi::RawFrame)) ||
        !guest_range_ok(e.out.extent_start.address, e.out.nr_extents * sizeof(abi::RawFrame)))
        return Error::Fault;
    return {};
}

Result<void> take_input(mm::Exchange& exchange, const abi::MemoryExchange& e, u64 first, unsigned count)
{
    const GuestIn<abi::RawFrame> frames(e.in.extent_start.address);
    for (u64 i = first; i < first + count; ++i) {
        const Mfn mfn(TRY(frames.copy_in(i)));
        for (u64 j = 0; j < u64{1} << e.in.extent_order; ++j)
            TRY(exchange.take(mfn + j));
    }
    return {};
}

Result<void> give_output(mm::Exchange& exchange, const abi::MemoryExchange& e, u64 first, unsigned count)
{
    const GuestInOut<abi::RawFrame> frames(e.out.extent_start.address);
    Result<void> told;
    for (u64 i = first; i < first + count; ++i) {
        // The frames have changed hands: a guest that cannot be told their numbers has lost sight of them, not we.
        const Result<u64> pfn = frames.copy_in(i);
        const Mfn mfn = TRY(exchange.give(Pfn(pfn.ok() ? pfn.value() : mm::invalid_m2p)));
        if (!pfn.ok() || !frames.copy_out(mfn.value, i).ok())
            told = Error::Fault;
    }
    exchange.commit();
    return told;
}

Result<void> exchange_chunk(mm::Owner& owner, const abi::MemoryExchange& e, const Shape& shape, u64 chunk)
{
    const unsigned bits = TRY(address_bits(e.out.mem_flags));
    mm::Exchange exchange(owner);
    for (unsigned i = 0; i < shape.out_per_chunk; ++i)
        TRY(exchange.allocate(e.out.extent_order, bits));
    TRY(take_input(exchange, e, chunk * shape.in_per_chunk, shape.in_per_chunk));
    return give_output(exchange, e, chunk * shape.out_per_chunk, shape.out_per_chunk);
}

/// From where `e.nr_exchanged` says, which tells in the end how many input extents are done.
Result<void> exchange_all(const MemoryRequest& request, abi::MemoryExchange& e)
{
    const DomainRef domain = TRY(request.named_domain(e.in.domid));
    const Shape shape = Shape::of(e);
    const u64 start = e.nr_exchanged / shape.in_per_chunk;
    for (u64 chunk = start; chunk < shape.chunks; ++chunk) {
        e.nr_exchanged = chunk * shape.in_per_chunk;
        if (chunk != start && should_preempt())
            return Error::Preempted;
        TRY(exchange_chunk(domain->memory, e, shape, chunk));
    }
    e.nr_exchanged = e.in.nr_extents;
    return {};
}

}

Result<i64> exchange(const MemoryRequest& request)
{
    const auto argument = request.argument<abi::MemoryExchange>();
    auto e = TRY(argument.copy_in());
    TRY(check(e));
    const Result<void> result = exchange_all(request, e);
    const GuestOut<u64> exchanged(argument.address() + offsetof(abi::MemoryExchange, nr_exchanged));
    TRY(exchanged.copy_out(e.nr_exchanged));
    TRY(result);
    return 0;
}

}
