// XENMEM_exchange: frames of a domain for others of another shape or width of address, chunk by chunk. Each chunk is
// done whole or not at all; `nr_exchanged` tells how far it came. (docs/pv-abi.md 4.1)
//
// A call that is preempted within a chunk is made again with the same arguments, and finds in the domain what is under
// way (mm/exchange.hpp). Guest memory is read anew for each frame: what it says may have changed meanwhile, and each
// frame is judged by itself.

#include "hypervisor/hypercall/memory_op.hpp"
#include "hypervisor/mm/exchange.hpp"

namespace xylem::hypercall {
namespace {

/// One chunk is the larger of an input extent and an output extent.
struct Shape {
    unsigned in_per_chunk, out_per_chunk; ///< extents

    static Shape of(const abi::MemoryExchange& e)
    {
        const unsigned in = e.in.extent_order, out = e.out.extent_order;
        const unsigned in_shift = out > in ? out - in : 0, out_shift = in > out ? in - out : 0;
        return {1U << in_shift, 1U << out_shift};
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

void take_next(mm::Exchange& exchange, const abi::MemoryExchange& e)
{
    const u64 extent = exchange.done() >> e.in.extent_order,
              within = exchange.done() & ((u64{1} << e.in.extent_order) - 1);
    const Result<u64> first = GuestIn<abi::RawFrame>(e.in.extent_start.address).copy_in(e.nr_exchanged + extent);
    if (!first.ok())
        return exchange.undo(first.error());
    exchange.take(Mfn(first.value()) + within);
}

/// The frames change hands: a guest that cannot be told their numbers has lost sight of them, not we.
void give_next(mm::Exchange& exchange, const abi::MemoryExchange& e, u64 first)
{
    const GuestInOut<abi::RawFrame> frames(e.out.extent_start.address);
    const u64 extent = first + exchange.done();
    const Result<u64> pfn = frames.copy_in(extent);
    const Result<Mfn> mfn = exchange.give(Pfn(pfn.ok() ? pfn.value() : mm::invalid_m2p));
    if (mfn.ok() && (!pfn.ok() || !frames.copy_out(mfn.value().value, extent).ok()))
        exchange.fail(Error::Fault);
}

/// @return Preempted
Result<void> step(mm::Exchange& exchange, const abi::MemoryExchange& e, u64 first_out)
{
    using Phase = mm::Exchange::Phase;
    switch (exchange.phase()) {
    case Phase::allocating:
        return exchange.allocate();
    case Phase::taking:
        take_next(exchange, e);
        return {};
    case Phase::giving:
        give_next(exchange, e, first_out);
        return {};
    default:
        exchange.clean_up();
        return {};
    }
}

/// The chunk that e.nr_exchanged tells, from where it was left. @return Preempted  it is not over
Result<void> exchange_chunk(mm::Exchange& exchange, const abi::MemoryExchange& e, const Shape& shape)
{
    const u64 first_out = e.nr_exchanged / shape.in_per_chunk * shape.out_per_chunk;
    for (;;) {
        TRY(step(exchange, e, first_out));
        if (!exchange.is_under_way())
            return exchange.outcome();
        if (exchange.has_worked_long() && should_preempt())
            return Error::Preempted;
    }
}

/// From where `e.nr_exchanged` says, which tells in the end how many input extents are done.
Result<void> exchange_all(const MemoryRequest& request, abi::MemoryExchange& e)
{
    const DomainRef domain = TRY(request.named_domain(e.in.domid));
    mm::Exchange& exchange = domain->exchange;
    const mm::Exchange::Turn turn(exchange);
    if (!turn)
        return Error::Preempted; // it is another processor's: ask again
    const Shape shape = Shape::of(e);
    e.nr_exchanged -= e.nr_exchanged % shape.in_per_chunk;
    while (e.nr_exchanged < e.in.nr_extents) {
        const mm::Exchange::Request wanted{request.caller().id, request.self.id, e};
        if (!exchange.is_of(wanted)) {
            TRY(exchange.abandon());
            const unsigned bits = TRY(address_bits(e.out.mem_flags));
            TRY(exchange.begin(wanted, {shape.out_per_chunk, e.out.extent_order, bits}));
        }
        TRY(exchange_chunk(exchange, e, shape));
        e.nr_exchanged += shape.in_per_chunk;
        if (e.nr_exchanged < e.in.nr_extents && exchange.has_worked_long() && should_preempt())
            return Error::Preempted;
    }
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
