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
    u32 transactions = 10;             ///< open at once
    u32 transaction_nodes = 1024;      ///< paths looked at or changed in one transaction
    u32 permissions = 5;               ///< entries of one node
    u32 path_bytes = 2048;             ///< below /local/domain/<domid>/; holds for privileged connections too
    u32 memory_bytes = 2'621'440;      ///< nodes, watches and transactions together
    u32 soft_memory_bytes = 2'097'152; ///< of the same, what is worth a line in the log
    u32 outstanding = 20;              ///< replies that wait to be read; the next request is not taken before
    u32 event_bytes = 65'536;          ///< events that wait to be read; see Output

    /// Changes of the store during which an unprivileged transaction keeps its snapshot. After that it can only fail
    /// with EAGAIN, so that the versions of nodes that old transactions hold are bounded, however many there are.
    u32 snapshot_changes = 4096;
};

/// What the command line and the control commands `quota` and `quota-soft` call them, and say of them.
struct LimitName {
    std::string_view name;
    u32 Limits::*field;
    std::string_view description;
};
inline constexpr std::array limit_names = {
    LimitName{"nodes", &Limits::nodes, "Nodes per domain"},
    LimitName{"watches", &Limits::watches, "Watches per domain"},
    LimitName{"transactions", &Limits::transactions, "Transactions per domain"},
    LimitName{"outstanding", &Limits::outstanding, "Outstanding requests per domain"},
    LimitName{"transaction-nodes", &Limits::transaction_nodes, "Max. number of accessed nodes per transaction"},
    LimitName{"memory", &Limits::memory_bytes, "Total Xenstore memory per domain (error level)"},
    LimitName{"node-size", &Limits::node_bytes, "Max. size of a node"},
    LimitName{"path-max", &Limits::path_bytes, "Max. length of a node path"},
    LimitName{"permissions", &Limits::permissions, "Max. number of permissions per node"},
    LimitName{"event-bytes", &Limits::event_bytes, "Bytes of unread events per domain"},
    LimitName{"snapshot-changes", &Limits::snapshot_changes, "Changes that a transaction may outlast"},
};
/// Those that are only told of.
inline constexpr std::array soft_limit_names = {
    LimitName{"memory", &Limits::soft_memory_bytes, "Total Xenstore memory per domain (warning level)"},
};

/// Privileged connections get this many times the queues of an unprivileged one, and none of the other limits.
inline constexpr u32 privileged_queue_factor = 64;

}
