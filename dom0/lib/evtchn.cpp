// See evtchn.hpp.
#include "dom0/lib/evtchn.hpp"

#include "dom0/lib/linux_ioctl.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <system_error>
#include <unistd.h>

namespace xylem::dom0 {

using namespace linux_ioctl;

EventChannels::EventChannels() : fd_(open_device("/dev/xen/evtchn", O_RDWR | O_NONBLOCK)) {}

template <typename Argument>
static int call(int fd, unsigned long request_number, Argument argument, const std::string& what)
{
    const int result = ioctl(fd, request_number, &argument);
    if (result < 0)
        throw_errno(what);
    return result;
}

static std::string naming(const char* what, Port port)
{
    return what + std::to_string(port.value);
}

Port EventChannels::bind_virq(u32 virq)
{
    return Port(static_cast<u32>(
        call(fd_.get(), evtchn_bind_virq, EvtchnBindVirq{virq}, "cannot bind virtual IRQ " + std::to_string(virq))));
}

Port EventChannels::bind_interdomain(DomId remote, Port remote_port)
{
    return Port(static_cast<u32>(call(
        fd_.get(), evtchn_bind_interdomain, EvtchnBindInterdomain{remote.value, remote_port.value},
        naming("cannot bind to remote event channel ", remote_port) + " of domain " + std::to_string(remote.value))));
}

Port EventChannels::bind_unbound(DomId remote)
{
    return Port(static_cast<u32>(call(fd_.get(), evtchn_bind_unbound, EvtchnBindUnbound{remote.value},
                                      "cannot allocate an event channel for domain " + std::to_string(remote.value))));
}

void EventChannels::unbind(Port port)
{
    call(fd_.get(), evtchn_unbind, EvtchnPort{port.value}, naming("cannot unbind event channel ", port));
}

void EventChannels::notify(Port port)
{
    call(fd_.get(), evtchn_notify, EvtchnPort{port.value}, naming("cannot notify event channel ", port));
}

std::optional<Port> EventChannels::pending()
{
    u32 port = 0;
    const ssize_t got = read(fd_.get(), &port, sizeof port);
    if (got == sizeof port)
        return Port(port);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return std::nullopt;
    throw_errno("cannot read from /dev/xen/evtchn");
}

std::optional<Port> EventChannels::wait(std::chrono::milliseconds timeout)
{
    pollfd item{fd_.get(), POLLIN, 0};
    const int ready = poll(&item, 1, static_cast<int>(timeout.count()));
    if (ready < 0 && errno != EINTR)
        throw_errno("cannot wait for events");
    return ready > 0 ? pending() : std::nullopt;
}

void EventChannels::unmask(Port port)
{
    const u32 raw = port.value;
    if (write(fd_.get(), &raw, sizeof raw) != sizeof raw)
        throw_errno(naming("cannot unmask event channel ", port));
}

void EventChannels::restrict_to(DomId domain)
{
    call(fd_.get(), evtchn_restrict, EvtchnRestrict{domain.value},
         "cannot restrict event channels to domain " + std::to_string(domain.value));
}

BoundPort::~BoundPort()
{
    if (!channels_)
        return;
    try {
        channels_->unbind(port_);
    } catch (const std::system_error&) {
        // The peer may have gone and taken the port with it; there is nothing left to release.
    }
}

}
