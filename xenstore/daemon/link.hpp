// A way for bytes to and from one client.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace xylem::xenstore {

class Link {
public:
    virtual ~Link() = default;

    /// Takes up to `into.size()` bytes, which `wanted` says how many the next message still lacks; 0 if there is
    /// nothing yet. @return nothing  the link is broken
    virtual std::optional<std::size_t> read(std::span<char> into, std::size_t wanted) = 0;
    /// Sends as many bytes as fit. @return nothing  the link is broken
    virtual std::optional<std::size_t> write(std::string_view bytes) = 0;
    /// There may be something to read that nobody will wake us for.
    virtual bool has_unread() = 0;
    /// Tells the poller what to wake us for.
    virtual void set_interest(bool in, bool out) = 0;
    /// The client broke the protocol: it is told, where that is possible.
    enum class Fault { bad_indices, bad_message };
    virtual void report(Fault fault) = 0;
    /// A broken link of a process is closed; one of a domain is kept, unused, until the domain is gone.
    virtual bool ends_when_broken() const = 0;
};

}
