// One event channel: what a port is bound to. 32 bytes, 128 to a page; see Table for how a port finds its channel.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::event_channels {

struct Table;

enum class ChannelState : u8 {
    free = 0,
    reserved,    // port 0, which nobody gets; and a port between two steps of its binding
    unbound,     // waits for `remote_domain` to bind to it
    interdomain, // bound to port `detail` of `remote`
    pirq,        // hardware interrupt `detail`
    virq,        // virtual interrupt `detail`
    ipi,         // between the domain's own vCPUs
};

/// Changed under the table's lock. Who only raises events reads `state`, `notify_vcpu` and `priority` without it: what
/// it then does on a port that has just changed is a spurious event to the port's own domain, which may happen at any
/// time.
struct alignas(32) Channel {
    ChannelState state;
    u8 notify_vcpu;          ///< whose upcall an event on this port is
    u8 priority;             ///< FIFO: the queue it goes to when next linked
    u8 queued_priority;      ///< FIFO: the queue it was last linked in; under fifo_lock
    u8 queued_vcpu;          ///< FIFO: whose queue that is; under fifo_lock
    u8 pending_without_word; ///< FIFO: raised while its word's page was missing; under fifo_lock
    u8 free_in_bucket;       ///< in a bucket's first channel only: how many of the bucket are free
    DomId remote_domain;     ///< unbound, interdomain: the other domain
    Table* remote;           ///< interdomain: the other domain's table
    u32 detail;              ///< the other port, the pirq or the virq
};
static_assert(sizeof(Channel) == 32);

inline constexpr u32 channels_per_bucket = page_size / sizeof(Channel);

}
