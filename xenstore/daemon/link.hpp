// A way for bytes to and from one client. What it moves is in the journal when it has moved.
#pragma once

#include "xenstore/daemon/journal.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace xylem::xenstore {

/// How many bytes have come from a client and gone to it since its connection began, modulo 2^32: the indices of a
/// ring.
struct Progress {
    u32 received = 0;
    u32 sent = 0;
};

class Link {
public:
    virtual ~Link() = default;

    /// Takes what there is to read, for `connection`; `wanted` says how many bytes the next message still lacks. Empty
    /// if there is nothing yet. @return nothing  the link is broken
    virtual std::optional<std::string_view> receive(Journal& journal, u32 connection, std::size_t wanted) = 0;
    /// Sends as many bytes as fit. @return nothing  the link is broken
    virtual std::optional<std::size_t> send(Journal& journal, u32 connection, std::string_view bytes) = 0;
    /// There may be something to read: worth a receive().
    virtual bool has_unread() = 0;
    /// Tells the poller what to wake us for.
    virtual void set_interest(bool in, bool out) = 0;
    /// The client broke the protocol: it is told, where that is possible.
    enum class Fault : u32 { bad_indices, bad_message };
    virtual void report(Fault fault) = 0;
};

}
