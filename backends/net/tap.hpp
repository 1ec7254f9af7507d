// A tap interface in dom0, a port of a bridge or with routes to the guest: the wire between a guest's interface and the
// control domain's network.
#pragma once

#include "backends/lib/event_loop.hpp"
#include "backends/net/link.hpp"
#include "backends/net/receive.hpp"
#include "dom0/lib/routed_interface.hpp"

#include <optional>
#include <string>

namespace xylem::backends::net {

struct TapConfig {
    std::string name;   ///< "vif1.0"
    std::string bridge; ///< empty: a port of none
    unsigned mtu = 1500;
    std::optional<dom0::RoutedInterface> routed = {};
};

/// The interface name is taken; the one who has it may be on its way out.
class InterfaceBusy : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Exists as long as this object; with our death, however that comes, the interface is gone, and its routes with it.
class Tap : public Link {
public:
    /// @throws InterfaceBusy
    /// @throws std::runtime_error  with a sentence, as for a missing bridge
    Tap(EventLoop& loop, TapConfig config, EventLoop::Handler on_arrival);

    /// Has the kernel leave to us what the guest can do itself.
    void set_offload(const Offload& offload);
    /// Throws away what has queued up.
    void drain();

    bool send(std::span<const iovec> parts) override;
    std::size_t receive(TapHeader& header, std::span<std::byte> frame) override;
    void listen(bool on) override;

private:
    void create();
    void configure();

    TapConfig config_;
    dom0::Fd fd_;
    EventLoop::Watch arrivals_;
    bool listening_ = true;
    bool alive_ = true;
};

}
