// How an event reaches a vCPU: sending, raising, unmasking, waiting; and the 2-level ABI.
//
// The order is the protocol. Raising sets the port's bit, then the selector's, then the upcall flag; the guest clears
// the flag, then the selector, then the bits. So whatever was raised before a guest looked is seen, and whatever is
// raised later finds a flag clear and sets it again. A vCPU that blocks does so first and looks at its flag afterwards,
// and who raises wakes after the flag is set: one of the two sees the other.

#include "event_channels/ports.hpp"

namespace xylem::event_channels {

namespace {

constexpr u64 ports_per_selector_bit = 64;

VcpuEvents* vcpu_of(const Table& table, const Channel& channel)
{
    return table.vcpus[__atomic_load_n(&channel.notify_vcpu, __ATOMIC_RELAXED)];
}

/// Sets the selector's bit for `port`, and the upcall flag if that bit is new.
void select(VcpuEvents& events, Port port)
{
    abi::VcpuInfo* info = __atomic_load_n(events.info, __ATOMIC_RELAXED);
    if (!atomic_test_and_set(&info->evtchn_pending_sel, port.value / ports_per_selector_bit))
        mark_events_pending(events);
}

void raise_two_level(Table& table, VcpuEvents& events, Port port)
{
    abi::SharedInfo& shared = *table.shared_info;
    if (port.value >= abi::evtchn_2l_nr_channels || atomic_test_and_set(shared.evtchn_pending, port.value))
        return;
    if (!test_bit(shared.evtchn_mask, port.value))
        select(events, port);
    wake_pollers(table, port);
}

void unmask_two_level(Table& table, VcpuEvents& events, Port port)
{
    abi::SharedInfo& shared = *table.shared_info;
    if (port.value >= abi::evtchn_2l_nr_channels)
        return;
    if (atomic_test_and_clear(shared.evtchn_mask, port.value) && test_bit(shared.evtchn_pending, port.value))
        select(events, port);
}

bool is_pending(Table& table, Port port)
{
    if (uses_fifo(table))
        return fifo::is_pending(table, port);
    return port.value < abi::evtchn_2l_nr_channels && test_bit(table.shared_info->evtchn_pending, port.value);
}

/// Raises what is kept for a virq or pirq, if it still is that.
void raise_kept(Table& table, const u32& kept, ChannelState state)
{
    const Port port(load_acquire(&kept));
    Channel* channel = port.value != 0 ? find(table, port) : nullptr;
    if (channel && load_acquire(&channel->state) == state)
        raise(table, *channel, port);
}

}

void mark_events_pending(VcpuEvents& events)
{
    abi::VcpuInfo* info = __atomic_load_n(events.info, __ATOMIC_RELAXED);
    if (atomic_exchange(&info->evtchn_upcall_pending, u8{1}))
        return;
    sched::wake(*events.unit);
    sched::kick(*events.unit);
}

void wake_pollers(Table& table, Port port)
{
    u64 waiting = atomic_load(&table.pollers);
    for (; waiting != 0; waiting &= waiting - 1) {
        const auto vcpu = static_cast<unsigned>(std::countr_zero(waiting));
        VcpuEvents& events = *table.vcpus[vcpu];
        const u32 only = atomic_load(&events.poll_port);
        if ((only == 0 || only == port.value) && atomic_test_and_clear(&table.pollers, vcpu))
            sched::wake(*events.unit);
    }
}

void raise(Table& table, Channel& channel, Port port)
{
    VcpuEvents* events = vcpu_of(table, channel);
    if (!events)
        return; // the domain is still being built
    if (!uses_fifo(table)) {
        raise_two_level(table, *events, port);
        // If the guest has switched to FIFO in between, nobody may look at the 2-level bit any more.
        if (!uses_fifo(table)) [[likely]]
            return;
    }
    fifo::raise(table, channel, port);
}

Result<void> send(Table& table, Port port)
{
    LockGuard guard(table.lock);
    Channel* channel = find(table, port);
    if (!channel) [[unlikely]]
        return Error::Invalid;
    switch (channel->state) {
    case ChannelState::interdomain: {
        // Parting the two ports takes our lock too: the peer stays what it is as long as we hold it.
        Table& remote = *channel->remote;
        const Port remote_port(channel->detail);
        raise(remote, *find(remote, remote_port), remote_port);
        return {};
    }
    case ChannelState::ipi:
        raise(table, *channel, port);
        return {};
    case ChannelState::unbound:
        return {};
    case ChannelState::free:
    case ChannelState::reserved:
    case ChannelState::pirq:
    case ChannelState::virq:
        break;
    }
    return Error::Invalid;
}

Result<void> unmask(Table& table, Port port)
{
    LockGuard guard(table.lock);
    Channel* channel = find(table, port);
    if (!channel)
        return Error::Invalid;
    VcpuEvents* events = vcpu_of(table, *channel);
    if (channel->state == ChannelState::free || channel->state == ChannelState::reserved || !events)
        return {};
    if (uses_fifo(table))
        fifo::unmask(table, *channel, port);
    else
        unmask_two_level(table, *events, port);
    return {};
}

void raise_virq(Table& table, VcpuId vcpu, u32 virq)
{
    const VcpuEvents* events = vcpu.value < max_vcpus ? table.vcpus[vcpu.value] : nullptr;
    if (events && virq < abi::nr_virqs)
        raise_kept(table, events->virq_ports[virq], ChannelState::virq);
}

void raise_global_virq(Table& table, u32 virq)
{
    raise_virq(table, VcpuId(0), virq);
}

void raise_pirq(Table& table, u32 pirq)
{
    const u32* ports = load_acquire(&table.pirq_ports);
    if (ports && pirq < max_pirqs)
        raise_kept(table, ports[pirq], ChannelState::pirq);
}

void start_poll(Table& table, VcpuEvents& events, Port only)
{
    atomic_store(&events.poll_port, only.value);
    atomic_or(&table.pollers, u64{1} << events.id.value);
}

void stop_poll(Table& table, VcpuEvents& events)
{
    atomic_and(&table.pollers, ~(u64{1} << events.id.value));
}

Result<bool> any_pending(Table& table, std::span<const Port> ports)
{
    for (const Port port : ports) {
        if (!find(table, port))
            return Error::Invalid;
        if (is_pending(table, port))
            return true;
    }
    return false;
}

}
