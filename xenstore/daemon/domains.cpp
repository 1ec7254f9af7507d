// See domains.hpp.
#include "xenstore/daemon/domains.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/grant_table.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <sys/mman.h>

namespace xylem::xenstore {

namespace {

constexpr const char* own_ring_file = "/proc/xen/xsd_kva";
constexpr const char* own_port_file = "/proc/xen/xsd_port";
constexpr DomId own_domain{0};

Port read_own_port()
{
    u32 port = 0;
    std::ifstream file(own_port_file);
    if (!(file >> port))
        throw std::system_error(errno ? errno : EIO, std::generic_category(),
                                std::string(own_port_file) + ": no port there; is xenfs mounted on /proc/xen?");
    return Port(port);
}

/// Stays mapped for the life of the process: there is no life after the own kernel's ring.
void* map_own_ring()
{
    const dom0::Fd file = dom0::open_device(own_ring_file, O_RDWR);
    void* page = mmap(nullptr, page_size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (page == MAP_FAILED)
        dom0::throw_errno(std::string("cannot map ") + own_ring_file);
    return page;
}

}

struct RealDomains::Ring {
    dom0::GrantMapping grant;
    dom0::ForeignMapping frame;
    dom0::BoundPort port;
};

RealDomains::RealDomains() : exceptions_(events_.bind_virq(static_cast<u32>(abi::Virq::dom_exc))) {}

RealDomains::~RealDomains() = default;

RingLink::Page& RealDomains::connect_own_kernel()
{
    auto ring = std::make_unique<Ring>();
    auto* page = static_cast<RingLink::Page*>(map_own_ring());
    ring->port = dom0::BoundPort(events_, events_.bind_interdomain(own_domain, read_own_port()));
    domain_of_port_[ring->port.port()] = own_domain;
    rings_[own_domain] = std::move(ring);
    return *page;
}

RingLink::Page* RealDomains::map(Ring& ring, DomId domain, Gfn frame)
{
    try {
        ring.grant = grants_.map(domain, GrantRef(abi::grant_reserved_xenstore), dom0::Protection::read_write);
        return ring.grant.as<RingLink::Page>();
    } catch (const std::system_error&) {
        const Mfn mfn(frame.value);
        ring.frame = dom0::map_foreign(hypervisor_.privcmd(), domain, {&mfn, 1}, dom0::Protection::read_write);
        return ring.frame.as<RingLink::Page>();
    }
}

RingLink::Page& RealDomains::connect(DomId domain, Gfn frame, Port remote_port)
{
    auto ring = std::make_unique<Ring>();
    RingLink::Page* page = map(*ring, domain, frame);
    ring->port = dom0::BoundPort(events_, events_.bind_interdomain(domain, remote_port));
    domain_of_port_[ring->port.port()] = domain;
    rings_[domain] = std::move(ring);
    return *page;
}

void RealDomains::notify(DomId domain)
{
    if (const dom0::BoundPort& port = rings_.at(domain)->port) // none if rebind() failed
        port.notify();
}

void RealDomains::rebind(DomId domain, Port remote_port)
{
    Ring& ring = *rings_.at(domain);
    domain_of_port_.erase(ring.port.port());
    ring.port = dom0::BoundPort();
    ring.port = dom0::BoundPort(events_, events_.bind_interdomain(domain, remote_port));
    domain_of_port_[ring.port.port()] = domain;
}

void RealDomains::disconnect(DomId domain)
{
    const auto found = rings_.find(domain);
    if (found == rings_.end())
        return;
    domain_of_port_.erase(found->second->port.port());
    rings_.erase(found);
}

bool RealDomains::exists(DomId domain)
{
    const std::optional<dom0::DomainInfo> info = hypervisor_.domain(domain);
    return info && !(info->flags & abi::dominf_dying);
}

std::map<DomId, DomainState> RealDomains::states_of(const std::vector<DomId>& domains)
{
    std::map<DomId, DomainState> states;
    for (DomId domain : domains)
        states[domain] = DomainState::gone;
    for (const dom0::DomainInfo& info : hypervisor_.domains()) {
        const auto found = states.find(DomId(info.domain));
        if (found == states.end() || (info.flags & abi::dominf_dying))
            continue;
        found->second = info.flags & abi::dominf_shutdown ? DomainState::shut_down : DomainState::running;
    }
    return states;
}

Domains::News RealDomains::take_events()
{
    News news;
    // A bounded number, lest a domain that sends without pause keep us here.
    for (int i = 0; i < 64; ++i) {
        const std::optional<Port> port = events_.pending();
        if (!port)
            break;
        events_.unmask(*port);
        if (*port == exceptions_)
            news.states_changed = true;
        else if (const auto found = domain_of_port_.find(*port); found != domain_of_port_.end())
            news.domains.push_back(found->second);
    }
    return news;
}

}
