// See events.hpp.

#include "frontends/guest/events.hpp"

#include "frontends/guest/memory.hpp"

#include <bit>

namespace xylem::guest {
namespace {

struct Slot {
    EventHandler handler;
    void* context;
};

// A block a page of handlers: few guests have more than one.
constexpr u32 slots_per_block = page_size / sizeof(Slot), blocks = abi::evtchn_2l_nr_channels / slots_per_block;
Slot* slots[blocks];

template <typename T> i64 event_op(abi::EvtchnCmd cmd, T& argument)
{
    return hypercall(abi::HypercallNumber::event_channel_op, static_cast<u64>(cmd), address_of(argument));
}

u64& word_of(u64* words, Port port)
{
    return words[port.value / 64];
}
constexpr u64 bit_of(Port port)
{
    return u64{1} << port.value % 64;
}

/// A port is open for events from here on; one that came before is delivered now.
void open(Port port)
{
    abi::EvtchnUnmask unmask{port.value};
    event_op(abi::EvtchnCmd::unmask, unmask);
}

void call_handler(u32 port)
{
    if (Slot* block = slots[port / slots_per_block]) {
        const Slot& slot = block[port % slots_per_block];
        if (slot.handler)
            slot.handler(slot.context);
    }
}

void dispatch_word(u32 word)
{
    abi::SharedInfo& shared = shared_info();
    u64 pending = __atomic_load_n(&shared.evtchn_pending[word], __ATOMIC_ACQUIRE) & ~shared.evtchn_mask[word];
    for (; pending; pending &= pending - 1) {
        const u64 lowest = pending & -pending;
        __atomic_and_fetch(&shared.evtchn_pending[word], ~lowest,
                           __ATOMIC_SEQ_CST); // first: what comes now counts anew
        call_handler(word * 64 + static_cast<u32>(std::countr_zero(pending)));
    }
}

abi::VcpuInfo& info()
{
    return shared_info().vcpu_info[0];
}

template <typename T>
Result<Port> bind(abi::EvtchnCmd cmd, T& request, u32 T::*port, EventHandler handler, void* context)
{
    TRY(to_result(event_op(cmd, request)));
    handle_port(Port(request.*port), handler, context);
    return Port(request.*port);
}

void wake_up(void*) {}

/// The timer's port, bound at the first deadline: its event has nothing to do but to end the sleep.
void bind_timer()
{
    static bool bound = false;
    if (!bound)
        bound = bind_virq(abi::Virq::timer, wake_up).ok();
}

}

void handle_port(Port port, EventHandler handler, void* context)
{
    Slot*& block = slots[port.value / slots_per_block];
    if (!block)
        block = static_cast<Slot*>(allocate_page());
    block[port.value % slots_per_block] = {handler, context};
    open(port);
}

Result<Port> allocate_port(DomId remote, EventHandler handler, void* context)
{
    abi::EvtchnAllocUnbound request{abi::domid_self, remote.value, 0};
    return bind(abi::EvtchnCmd::alloc_unbound, request, &abi::EvtchnAllocUnbound::port, handler, context);
}

Result<Port> bind_port(DomId remote, Port remote_port, EventHandler handler, void* context)
{
    abi::EvtchnBindInterdomain request{remote.value, remote_port.value, 0};
    return bind(abi::EvtchnCmd::bind_interdomain, request, &abi::EvtchnBindInterdomain::local_port, handler, context);
}

Result<Port> bind_virq(abi::Virq virq, EventHandler handler, void* context)
{
    abi::EvtchnBindVirq request{static_cast<u32>(virq), 0, 0};
    return bind(abi::EvtchnCmd::bind_virq, request, &abi::EvtchnBindVirq::port, handler, context);
}

Result<Port> bind_ipi(EventHandler handler, void* context)
{
    abi::EvtchnBindIpi request{0, 0};
    return bind(abi::EvtchnCmd::bind_ipi, request, &abi::EvtchnBindIpi::port, handler, context);
}

void notify(Port port)
{
    abi::EvtchnSend request{port.value};
    event_op(abi::EvtchnCmd::send, request);
}

void close_port(Port port)
{
    __atomic_or_fetch(&word_of(shared_info().evtchn_mask, port), bit_of(port), __ATOMIC_SEQ_CST);
    abi::EvtchnClose request{port.value};
    event_op(abi::EvtchnCmd::close, request);
    if (Slot* block = slots[port.value / slots_per_block])
        block[port.value % slots_per_block] = {};
}

bool dispatch_events()
{
    bool any = false;
    while (__atomic_exchange_n(&info().evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST) |
           (__atomic_load_n(&info().evtchn_pending_sel, __ATOMIC_SEQ_CST) != 0)) {
        u64 words = __atomic_exchange_n(&info().evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        for (; words; words &= words - 1) {
            dispatch_word(static_cast<u32>(std::countr_zero(words)));
            any = true;
        }
    }
    return any;
}

void block_until_event(u64 deadline)
{
    if (deadline != 0) {
        bind_timer();
        hypercall(abi::HypercallNumber::set_timer_op, deadline);
    }
    // `block` opens the mask and looks for what is pending in one step, so that no event is slept through. The upcall
    // that may follow does nothing (traps.cpp): the bits tell.
    hypercall(abi::HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::block));
    info().evtchn_upcall_mask = 1;
}

}
