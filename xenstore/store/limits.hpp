// How much of the store an unprivileged domain may have. Names and numbers are those of Xen's xenstored 4.17 where it
// has them.
#pragma once

#include "hypervisor/base/types.hpp"

#include <array>
#include <cstddef>
#include <string_view>

namespace xylem::xenstore {

struct Limits {
    u32 nodes = 1000;      ///< owned nodes
    u32 node_bytes = 2048; ///< of one node: value, permissions, names of children
    u32 watches = 128;
    u32 transactions = 10;        ///< open at once
    u32 transaction_nodes = 1024; ///< paths looked at or changed in one transaction
    u32 permissions = 5;          ///< entries of one node
    u32 path_bytes = 2048;        ///< below /local/domain/<domid>/; holds for privileged connections too
    u32 memory_bytes = 2'621'440; ///< nodes, watches and transactions together
    u32 outstanding = 20;         ///< replies that wait to be read; the next request is not taken before
    u32 event_bytes = 65'536;     ///< events that wait to be read; see Output

    /// Changes of the store during which an unprivileged transaction keeps its snapshot. After that it can only fail
    /// with EAGAIN, so that the versions of nodes that old transactions hold are bounded, however many there are.
    u32 snapshot_changes = 4096;
};

/// What the command line and the control command `quota` call them.
struct LimitName {
    std::string_view name;
    u32 Limits::*field;
};
inline constexpr std::array limit_names = {
    LimitName{"nodes", &Limits::nodes},
    LimitName{"node-size", &Limits::node_bytes},
    LimitName{"watches", &Limits::watches},
    LimitName{"transactions", &Limits::transactions},
    LimitName{"transaction-nodes", &Limits::transaction_nodes},
    LimitName{"permissions", &Limits::permissions},
    LimitName{"path-length", &Limits::path_bytes},
    LimitName{"memory", &Limits::memory_bytes},
    LimitName{"outstanding", &Limits::outstanding},
    LimitName{"event-bytes", &Limits::event_bytes},
    LimitName{"snapshot-changes", &Limits::snapshot_changes},
};

/// Privileged connections get this many times the queues of an unprivileged one, and none of the other limits.
inline constexpr u32 privileged_queue_factor = 64;

}
