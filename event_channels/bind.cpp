// What a port can be bound to, one operation a function.
//
// Two domains' ports are joined and parted under the lock `pairing`, one table after the other: nobody holds two
// tables' locks. In between, the end that is already changed is the one that could mislead: a port that is about to be
// joined takes events and keeps them, and a port that is being closed may send its peer one event too many. A peer's
// table cannot go meanwhile, since its destruction closes each of its ports under `pairing` too.

#include "event_channels/ports.hpp"

#include "hypervisor/mm/heap.hpp"

namespace xylem::event_channels {

namespace {

constinit SpinLock pairing{LockRank::event_pair};

constinit PirqLayer pirq_layer{};

bool exists(const Table& table, VcpuId vcpu)
{
    return vcpu.value < max_vcpus && table.vcpus[vcpu.value];
}

/// The channel of a port that is bound to something. Under the table's lock.
Result<Channel*> bound(const Table& table, Port port)
{
    Channel* channel = find(table, port);
    if (!channel || channel->state == ChannelState::free || channel->state == ChannelState::reserved)
        return Error::Invalid;
    return channel;
}

/// The peer of a port that is being closed waits for a new partner of the same domain. Under `pairing`.
void part_from(Table& table, Port port, DomId closer)
{
    LockGuard guard(table.lock);
    Channel& peer = *find(table, port);
    store_release(&peer.state, ChannelState::unbound);
    peer.remote_domain = closer;
    peer.remote = nullptr;
    peer.detail = 0;
}

/// Makes an unbound port that waits for `local` the other end of its port `port`. Under `pairing`.
Result<void> join(Table& remote, Port remote_port, Table& local, Port port)
{
    LockGuard guard(remote.lock);
    Channel* peer = find(remote, remote_port);
    if (!peer || peer->state != ChannelState::unbound || peer->remote_domain != local.id)
        return Error::Invalid;
    peer->remote = &local;
    peer->detail = port.value;
    store_release(&peer->state, ChannelState::interdomain);
    return {};
}

/// Where the port of a bound virq is kept.
u32& virq_port(Table& table, const Channel& channel)
{
    const u32 vcpu = virq_is_global(channel.detail) ? 0 : channel.notify_vcpu;
    return table.vcpus[vcpu]->virq_ports[channel.detail];
}

/// Under the table's lock.
void unbind(Table& table, Channel& channel, Port port)
{
    switch (channel.state) {
    case ChannelState::virq:
        store_release(&virq_port(table, channel), 0);
        break;
    case ChannelState::pirq:
        store_release(&table.pirq_ports[channel.detail], 0);
        pirq_layer.unbind(table.id, channel.detail);
        break;
    case ChannelState::interdomain:
    case ChannelState::unbound:
    case ChannelState::ipi:
    case ChannelState::free:
    case ChannelState::reserved:
        break;
    }
    release(table, port);
}

}

void set_pirq_layer(const PirqLayer& layer)
{
    pirq_layer = layer;
}

bool virq_is_global(u32 virq)
{
    switch (static_cast<abi::Virq>(virq)) {
    case abi::Virq::timer:
    case abi::Virq::debug:
    case abi::Virq::xenoprof:
    case abi::Virq::xenpmu:
        return false;
    default:
        return true;
    }
}

Result<Port> alloc_unbound(Table& table, DomId remote)
{
    LockGuard guard(table.lock);
    const Port port = TRY(find_free(table));
    claim(table, port, ChannelState::unbound).remote_domain = remote;
    return port;
}

Result<Port> bind_interdomain(Table& local, Table& remote, Port remote_port)
{
    LockGuard pair(pairing);
    Port port{};
    {
        LockGuard guard(local.lock);
        port = TRY(find_free(local));
        claim(local, port, ChannelState::reserved);
    }
    const Result<void> joined = join(remote, remote_port, local, port);
    LockGuard guard(local.lock);
    if (!joined.ok()) {
        release(local, port);
        return joined.error();
    }
    Channel& channel = *find(local, port);
    channel.remote_domain = remote.id;
    channel.remote = &remote;
    channel.detail = remote_port.value;
    store_release(&channel.state, ChannelState::interdomain);
    raise(local, channel, port);
    return port;
}

Result<Port> bind_virq(Table& table, u32 virq, VcpuId vcpu)
{
    if (virq >= abi::nr_virqs || (virq_is_global(virq) && vcpu.value != 0))
        return Error::Invalid;
    if (!exists(table, vcpu))
        return Error::NoEntry;
    LockGuard guard(table.lock);
    u32& kept = table.vcpus[vcpu.value]->virq_ports[virq];
    if (kept != 0)
        return Error::Exists;
    const Port port = TRY(find_free(table));
    Channel& channel = claim(table, port, ChannelState::virq);
    channel.notify_vcpu = static_cast<u8>(vcpu.value);
    channel.detail = virq;
    store_release(&kept, port.value);
    return port;
}

Result<Port> bind_ipi(Table& table, VcpuId vcpu)
{
    if (!exists(table, vcpu))
        return Error::NoEntry;
    LockGuard guard(table.lock);
    const Port port = TRY(find_free(table));
    claim(table, port, ChannelState::ipi).notify_vcpu = static_cast<u8>(vcpu.value);
    return port;
}

Result<Port> bind_pirq(Table& table, u32 pirq, u32 flags)
{
    if (!pirq_layer.bind || pirq >= max_pirqs)
        return Error::Invalid;
    LockGuard guard(table.lock);
    if (!table.pirq_ports)
        table.pirq_ports = machine::map<u32>(TRY(mm::allocate_frame()));
    if (table.pirq_ports[pirq] != 0)
        return Error::Exists;
    const Port port = TRY(find_free(table));
    TRY(pirq_layer.bind(table.id, pirq, flags & abi::bind_pirq_will_share));
    claim(table, port, ChannelState::pirq).detail = pirq;
    store_release(&table.pirq_ports[pirq], port.value);
    return port;
}

Result<void> close(Table& table, Port port)
{
    LockGuard pair(pairing);
    const Channel* channel = find(table, port);
    if (!channel)
        return Error::Invalid;
    if (load_acquire(&channel->state) == ChannelState::interdomain)
        part_from(*channel->remote, Port(channel->detail), table.id);
    LockGuard guard(table.lock);
    unbind(table, *TRY(bound(table, port)), port);
    return {};
}

Result<abi::EvtchnStatus> status(Table& table, Port port)
{
    LockGuard guard(table.lock);
    const Channel* channel = find(table, port);
    if (!channel)
        return Error::Invalid;
    abi::EvtchnStatus answer{};
    answer.dom = table.id.value;
    answer.port = port.value;
    answer.vcpu = channel->notify_vcpu;
    switch (channel->state) {
    case ChannelState::free:
    case ChannelState::reserved:
        answer.status = abi::EvtchnStat::closed;
        break;
    case ChannelState::unbound:
        answer.status = abi::EvtchnStat::unbound;
        answer.u.unbound.dom = channel->remote_domain.value;
        break;
    case ChannelState::interdomain:
        answer.status = abi::EvtchnStat::interdomain;
        answer.u.interdomain.dom = channel->remote_domain.value;
        answer.u.interdomain.port = channel->detail;
        break;
    case ChannelState::pirq:
        answer.status = abi::EvtchnStat::pirq;
        answer.u.pirq = channel->detail;
        break;
    case ChannelState::virq:
        answer.status = abi::EvtchnStat::virq;
        answer.u.virq = channel->detail;
        break;
    case ChannelState::ipi:
        answer.status = abi::EvtchnStat::ipi;
        break;
    }
    return answer;
}

Result<void> bind_vcpu(Table& table, Port port, VcpuId vcpu)
{
    if (!exists(table, vcpu))
        return Error::NoEntry;
    LockGuard guard(table.lock);
    Channel& channel = *TRY(bound(table, port));
    const bool fixed =
        channel.state == ChannelState::ipi || (channel.state == ChannelState::virq && !virq_is_global(channel.detail));
    if (fixed)
        return Error::Invalid;
    store_release(&channel.notify_vcpu, static_cast<u8>(vcpu.value));
    return {};
}

Result<void> set_priority(Table& table, Port port, u32 priority)
{
    LockGuard guard(table.lock);
    Channel* channel = find(table, port);
    if (!channel)
        return Error::Invalid;
    if (!uses_fifo(table))
        return Error::NotImplemented;
    if (channel->state == ChannelState::free || channel->state == ChannelState::reserved)
        return Error::Access;
    if (priority > abi::evtchn_fifo_priority_min)
        return Error::Invalid;
    store_release(&channel->priority, static_cast<u8>(priority));
    return {};
}

}
