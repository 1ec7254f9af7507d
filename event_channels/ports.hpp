// How the files of event_channels/ find, claim and release channels, and hand events to vCPUs. Not for others.
#pragma once

#include "event_channels/event_channels.hpp"

namespace xylem::event_channels {

// ---- ports.cpp: the ports of a table

/// The channel of a port. @return null if the domain never had such a port. Needs no lock: buckets stay where they are.
Channel* find(const Table& table, Port port);
/// The lowest port that can be bound, its channel still free. Under the table's lock.
Result<Port> find_free(Table& table);
/// Makes a free port something else, with no vCPU chosen and its priority the default. Under the table's lock.
Channel& claim(Table& table, Port port, ChannelState state);
/// Makes a port free, and forgets an event that was pending on it. Under the table's lock.
void release(Table& table, Port port);

/// Calls `visit(Port)` for the ports from `cursor` on that exist, until it returns false or the ports end.
/// @return where to go on, or 0 at the end
template <typename Visit> u32 for_each_port(const Table& table, u32 cursor, Visit visit)
{
    for (u32 port = cursor; port < abi::evtchn_fifo_nr_channels; ++port) {
        if (!find(table, Port(port))) {
            port |= channels_per_bucket - 1; // no bucket, hence none of its ports
            continue;
        }
        if (!visit(Port(port)))
            return port;
    }
    return 0;
}

// ---- delivery.cpp: events

/// Makes `port` of `table` pending and tells its vCPU. `channel` is the port's. Needs no lock.
void raise(Table& table, Channel& channel, Port port);
/// Sets the vCPU's upcall flag, and wakes or kicks it if the flag was clear.
void mark_events_pending(VcpuEvents& events);
/// Wakes the vCPUs that poll `port`.
void wake_pollers(Table& table, Port port);

// ---- fifo.cpp

inline bool uses_fifo(const Table& table)
{
    return __atomic_load_n(&table.fifo, __ATOMIC_SEQ_CST) != nullptr;
}

namespace fifo {
void raise(Table& table, Channel& channel, Port port);
void unmask(Table& table, Channel& channel, Port port);
void forget_pending(Table& table, Channel& channel, Port port);
bool is_pending(Table& table, Port port);
/// Whether the guest has a port still in one of its queues, so that nothing else may be bound to it.
bool is_linked(Table& table, Port port);
/// Back to 2-level: lets go of the guest's pages. All ports are closed.
void tear_down(Table& table);
}

}
