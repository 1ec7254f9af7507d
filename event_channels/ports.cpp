// The ports of a table: where channels lie, which are free, and the life of the whole.
//
// Channels lie in buckets of a page, found through at most two pages of pointers, so that a domain with few ports costs
// two pages. A bucket never moves and goes only with the table: whoever raises events may look into it without a lock.

#include "event_channels/ports.hpp"

#include "hypervisor/core/log.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/page_type.hpp"

namespace xylem::event_channels {

namespace {

constexpr u32 bucket_of(Port port)
{
    return port.value / channels_per_bucket;
}

/// How long is looked for a port among closed ones that the guest keeps in its FIFO queues, before the domain is told
/// that it has none left: a step is a channel looked at, and a linked one is worth some more. Only a guest that never
/// takes events off its queues comes so far.
constexpr u32 search_steps = 8192, linked_steps = 8;

Channel* bucket(const Table& table, u32 index)
{
    Channel* const* group = load_acquire(&table.groups[index / Table::pointers_per_page]);
    return group ? load_acquire(&group[index % Table::pointers_per_page]) : nullptr;
}

template <typename T> Result<T*> new_page()
{
    return machine::map<T>(TRY(mm::allocate_frame()));
}

Result<Channel*> bucket_or_new(Table& table, u32 index)
{
    Channel**& group = table.groups[index / Table::pointers_per_page];
    if (!group) {
        Channel** fresh = TRY(new_page<Channel*>());
        store_release(&group, fresh);
    }
    Channel*& slot = group[index % Table::pointers_per_page];
    if (!slot) {
        Channel* fresh = TRY(new_page<Channel>());
        fresh->free_in_bucket = channels_per_bucket;
        if (index == 0) {
            fresh[0].state = ChannelState::reserved;
            --fresh->free_in_bucket;
        }
        store_release(&slot, fresh);
    }
    return slot;
}

/// One past the highest port that may be bound now.
u32 port_limit(const Table& table)
{
    const u32 of_abi = uses_fifo(table) ? abi::evtchn_fifo_nr_channels : abi::evtchn_2l_nr_channels;
    return table.max_port < of_abi ? table.max_port + 1 : of_abi;
}

void free_page(const void* page)
{
    mm::free_frame(machine::mfn_of_mapped(page));
}

/// Closes ports from table.close_cursor on. @return Preempted  call again
Result<void> close_from_cursor(Table& table)
{
    u32 steps = 0;
    table.close_cursor = for_each_port(table, table.close_cursor, [&](Port port) {
        if (++steps % 64 == 0 && mm::preemption_check && mm::preemption_check())
            return false;
        (void)close(table, port).ok(); // Invalid for the ports that are free
        return true;
    });
    if (table.close_cursor != 0)
        return Error::Preempted;
    return {};
}

}

Channel* find(const Table& table, Port port)
{
    if (port.value >= abi::evtchn_fifo_nr_channels) [[unlikely]]
        return nullptr;
    Channel* channels = bucket(table, bucket_of(port));
    return channels ? &channels[port.value % channels_per_bucket] : nullptr;
}

Result<Port> find_free(Table& table)
{
    if (table.dying)
        return Error::Invalid;
    const u32 limit = port_limit(table);
    u32 steps = 0;
    for (u32 index = 0; index * channels_per_bucket < limit; ++index) {
        const Channel* channels = TRY(bucket_or_new(table, index));
        if (channels->free_in_bucket == 0)
            continue;
        for (u32 i = 0; i < channels_per_bucket; ++i, ++steps) {
            const Port port(index * channels_per_bucket + i);
            if (port.value >= limit || steps > search_steps)
                return Error::NoSpace;
            if (channels[i].state != ChannelState::free)
                continue;
            if (!fifo::is_linked(table, port))
                return port;
            steps += linked_steps;
        }
    }
    return Error::NoSpace;
}

Channel& claim(Table& table, Port port, ChannelState state)
{
    Channel& channel = *find(table, port);
    XYLEM_ASSERT(channel.state == ChannelState::free, "a port was claimed twice");
    channel.notify_vcpu = 0;
    channel.priority = abi::evtchn_fifo_priority_default;
    store_release(&channel.state, state);
    --bucket(table, bucket_of(port))->free_in_bucket;
    ++table.bound_ports;
    return channel;
}

void release(Table& table, Port port)
{
    Channel& channel = *find(table, port);
    store_release(&channel.state, ChannelState::free);
    if (uses_fifo(table))
        fifo::forget_pending(table, channel, port);
    else
        atomic_test_and_clear(table.shared_info->evtchn_pending, port.value);
    channel.notify_vcpu = 0;
    channel.remote = nullptr;
    channel.detail = 0;
    ++bucket(table, bucket_of(port))->free_in_bucket;
    --table.bound_ports;
}

void initialise(Table& table, DomId id, u32 max_port, abi::SharedInfo* shared_info, mm::Owner& owner)
{
    table.id = id;
    table.max_port = max_port;
    table.shared_info = shared_info;
    table.owner = &owner;
}

void attach_vcpu(Table& table, VcpuEvents& events, VcpuId id, abi::VcpuInfo** info, sched::Unit& unit)
{
    XYLEM_ASSERT(id.value < max_vcpus, "more vCPUs than a table of event channels has room for");
    events.id = id;
    events.info = info;
    events.unit = &unit;
    store_release(&table.vcpus[id.value], &events);
}

Result<void> reset(Table& table, Continued continued)
{
    if (continued == Continued::no && table.close_cursor != 0)
        return Error::Busy;
    TRY(close_from_cursor(table));
    LockGuard guard(table.lock);
    if (table.bound_ports != 0)
        return Error::Again;
    fifo::tear_down(table);
    return {};
}

Result<void> destroy(Table& table)
{
    {
        LockGuard guard(table.lock);
        if (!table.dying)
            table.close_cursor = 0; // a reset may have been interrupted by the end
        table.dying = true;
    }
    TRY(close_from_cursor(table));
    LockGuard guard(table.lock);
    fifo::tear_down(table);
    return {};
}

void release_memory(Table& table)
{
    for (Channel**& group : table.groups) {
        if (!group)
            continue;
        for (u32 i = 0; i < Table::pointers_per_page; ++i)
            if (group[i])
                free_page(group[i]);
        free_page(group);
        group = nullptr;
    }
    if (table.pirq_ports)
        free_page(table.pirq_ports);
    table.pirq_ports = nullptr;
}

}
