// The real thing behind peer_memory.hpp: /dev/xen/gntdev and /dev/xen/evtchn.
#pragma once

#include "backends/lib/event_loop.hpp"
#include "backends/lib/peer_memory.hpp"
#include "dom0/lib/evtchn.hpp"

#include <unordered_map>

namespace xylem::backends {

class GntdevMemory : public PeerMemory {
public:
    GntdevMemory(dom0::GrantDevice& device, DomId domain) : device_(device), domain_(domain) {}

    std::byte* map(std::span<const GrantRef> refs) override;
    void unmap(std::byte* mapped) override { mappings_.erase(mapped); }
    void copy(std::span<GrantCopy> steps) override;
    DomId domain() const override { return domain_; }

private:
    dom0::GrantDevice& device_;
    DomId domain_;
    std::unordered_map<std::byte*, dom0::GrantMapping> mappings_;
};

/// All event channels of this process. A handler is called when its port fires, and its port unmasked after that.
class EventHub {
public:
    explicit EventHub(EventLoop& loop);

    /// Who lets the next event through: we do after the handler, or the owner when it is ready for one.
    enum class Unmask { after_handler, by_owner };

    /// Binds to a peer's port.
    /// @throws std::system_error  the peer does not offer that port to us
    std::unique_ptr<PeerSignal> bind(DomId peer, Port remote, EventLoop::Handler on_event,
                                     Unmask unmask = Unmask::after_handler);

private:
    class Binding;

    void serve();

    dom0::EventChannels channels_;
    std::unordered_map<u32, Binding*> bindings_;
    EventLoop::Watch watch_;
};

}
