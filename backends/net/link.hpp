// Where a guest's packets go to and come from: a tap in dom0, a queue in the tests.
#pragma once

#include "backends/net/packet.hpp"

#include <sys/uio.h>

namespace xylem::backends::net {

class Link {
public:
    virtual ~Link() = default;

    /// Sends one frame: `parts` are a TapHeader and the frame's pieces.
    /// @return whether it was taken; else it is lost, as packets may be
    virtual bool send(std::span<const iovec> parts) = 0;
    /// Takes one frame and its header.
    /// @return the frame's bytes; 0 if there is none now
    virtual std::size_t receive(TapHeader& header, std::span<std::byte> frame) = 0;
    /// Whether arrivals are looked at: off while the guest has no room for them, so that they queue up, and then drop,
    /// there.
    virtual void listen(bool on) = 0;
};

}
