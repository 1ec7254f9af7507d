// See xen_peer.hpp.
#include "backends/lib/xen_peer.hpp"

#include <cerrno>
#include <system_error>
#include <unistd.h>

namespace xylem::backends {

std::byte* GntdevMemory::map(std::span<const GrantRef> refs)
{
    try {
        dom0::GrantMapping mapping = device_.map(domain_, refs, dom0::Protection::read_write);
        std::byte* address = mapping.data();
        mappings_.emplace(address, std::move(mapping));
        return address;
    } catch (const std::system_error&) {
        return nullptr; // the peer's doing: the caller answers with an error of its protocol
    }
}

void GntdevMemory::copy(std::span<GrantCopy> steps)
{
    try {
        device_.copy(steps);
    } catch (const std::system_error&) {
        for (GrantCopy& step : steps)
            step.status = -1;
    }
}

class EventHub::Binding : public PeerSignal {
public:
    Binding(EventHub& hub, DomId peer, Port remote, EventLoop::Handler on_event, Unmask unmask)
        : on_event_(std::move(on_event)), unmask_(unmask), hub_(hub),
          port_(hub.channels_, hub.channels_.bind_interdomain(peer, remote))
    {
        hub_.bindings_.emplace(port_.port().value, this);
    }
    ~Binding() override { hub_.bindings_.erase(port_.port().value); }

    void notify() override
    {
        try {
            port_.notify();
        } catch (const std::system_error&) {
            // The peer closed its end or died; the store will tell, and the device is closed then.
        }
    }

    void unmask() override { port_.unmask(); }

    EventLoop::Handler on_event_;
    Unmask unmask_;

private:
    EventHub& hub_;
    dom0::BoundPort port_;
};

EventHub::EventHub(EventLoop& loop) : watch_(loop.watch_readable(channels_.fd(), [this] { serve(); })) {}

std::unique_ptr<PeerSignal> EventHub::bind(DomId peer, Port remote, EventLoop::Handler on_event, Unmask unmask)
{
    return std::make_unique<Binding>(*this, peer, remote, std::move(on_event), unmask);
}

void EventHub::serve()
{
    // Straight reads and writes of many ports at a time: two system calls a wake-up, whatever the number of events.
    u32 ports[128];
    const ssize_t bytes = read(channels_.fd(), ports, sizeof ports);
    if (bytes < 0 && errno != EAGAIN && errno != EINTR)
        dom0::throw_errno("cannot read from /dev/xen/evtchn");
    const std::size_t count = bytes > 0 ? static_cast<std::size_t>(bytes) / sizeof(u32) : 0;
    std::size_t live = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto found = bindings_.find(ports[i]);
        if (found == bindings_.end())
            continue;
        if (found->second->unmask_ == Unmask::after_handler)
            ports[live++] = ports[i];
        const EventLoop::Handler on_event = found->second->on_event_; // it may end its own binding
        on_event();
    }
    // A handler may have closed its own port: the kernel skips ports that are no longer bound.
    if (live > 0 && write(channels_.fd(), ports, live * sizeof(u32)) < 0)
        dom0::throw_errno("cannot unmask event channels");
}

}
