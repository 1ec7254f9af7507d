// Event channels of this process, through /dev/xen/evtchn.
//
// The driver masks a port when its event is read, so that a storm costs one wake-up: after serving a port, unmask it.
// The fd is readable while some bound port has an unread event; it never blocks, so it fits any event loop, and `wait`
// is for those without one.
#pragma once

#include "dom0/lib/fd.hpp"
#include "hypervisor/base/types.hpp"

#include <chrono>
#include <optional>

namespace xylem::dom0 {

class EventChannels {
public:
    /// @throws std::system_error  the device is missing or not ours to open
    EventChannels();

    /// For poll or an event loop: readable when `pending` would yield a port.
    int fd() const { return fd_.get(); }

    // All of these throw std::system_error naming the operation.

    /// @return our local port, in each of the three.
    Port bind_virq(u32 virq);
    Port bind_interdomain(DomId remote, Port remote_port);
    Port bind_unbound(DomId remote);
    void unbind(Port port);
    void notify(Port port);

    /// The next port with an event, now masked; nothing if there is none.
    std::optional<Port> pending();
    /// The same, waiting for one; nothing after `timeout`.
    std::optional<Port> wait(std::chrono::milliseconds timeout);
    void unmask(Port port);

    /// From now on this object serves ports to `domain` only.
    void restrict_to(DomId domain);

private:
    Fd fd_;
};

/// A port that is unbound at the end of its owner's life. The EventChannels must outlive it.
class BoundPort {
public:
    BoundPort() = default;
    BoundPort(EventChannels& channels, Port port) : channels_(&channels), port_(port) {}
    BoundPort(BoundPort&& other) noexcept : channels_(std::exchange(other.channels_, nullptr)), port_(other.port_) {}
    BoundPort& operator=(BoundPort&& other) noexcept
    {
        std::swap(channels_, other.channels_);
        std::swap(port_, other.port_);
        return *this;
    }
    BoundPort(const BoundPort&) = delete;
    BoundPort& operator=(const BoundPort&) = delete;
    ~BoundPort();

    explicit operator bool() const { return channels_ != nullptr; }
    Port port() const { return port_; }
    void notify() const { channels_->notify(port_); }
    void unmask() const { channels_->unmask(port_); }

private:
    EventChannels* channels_ = nullptr;
    Port port_{};
};

}
