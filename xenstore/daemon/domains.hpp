// The domains of this host: their rings, their events, and what becomes of them.
//
// All of it may be done again by a successor: a port that went with a daemon is unbound at the other end and can be
// bound anew, a page can be mapped anew, and who looks at all rings and all domains needs no event to have been kept.
#pragma once

#include "dom0/lib/evtchn.hpp"
#include "dom0/lib/foreign.hpp"
#include "dom0/lib/gntdev.hpp"
#include "dom0/lib/hypervisor.hpp"
#include "xenstore/daemon/ring_link.hpp"
#include "xenstore/store/server.hpp"

namespace xylem::xenstore {

class Domains {
public:
    virtual ~Domains() = default;

    /// Readable when an event is here.
    virtual int fd() const = 0;

    // These throw std::system_error.

    /// The ring of the kernel we run under, which has been writing to it before we were there.
    virtual RingLink::Page& connect_own_kernel() = 0;
    /// Maps the ring and binds the port, until disconnect().
    virtual RingLink::Page& connect(DomId domain, Gfn frame, Port remote_port) = 0;
    /// Gives a connected domain another port.
    virtual void rebind(DomId domain, Port remote_port) = 0;

    virtual void disconnect(DomId domain) = 0;
    /// Sends an event to a connected domain.
    virtual void notify(DomId domain) = 0;

    virtual bool exists(DomId domain) = 0;
    /// The state of each of `domains`.
    virtual std::map<DomId, DomainState> states_of(const std::vector<DomId>& domains) = 0;

    /// Takes the events that are here: domains to be served, and whether the states want a look.
    struct News {
        std::vector<DomId> domains;
        bool states_changed = false;
    };
    virtual News take_events() = 0;
};

/// The hypervisor's.
class RealDomains : public Domains {
public:
    /// Opens the devices and asks to be told of domains that stop.
    /// @throws std::system_error  a device is missing or refuses
    RealDomains();
    ~RealDomains() override;

    int fd() const override { return events_.fd(); }
    RingLink::Page& connect_own_kernel() override;
    /// By the grant that the domain's builder left for us or else by the ring's frame.
    RingLink::Page& connect(DomId domain, Gfn frame, Port remote_port) override;
    void rebind(DomId domain, Port remote_port) override;
    void disconnect(DomId domain) override;
    void notify(DomId domain) override;
    bool exists(DomId domain) override;
    std::map<DomId, DomainState> states_of(const std::vector<DomId>& domains) override;
    News take_events() override;

private:
    struct Ring;
    RingLink::Page* map(Ring& ring, DomId domain, Gfn frame);

    dom0::EventChannels events_;
    dom0::GrantDevice grants_;
    dom0::Hypervisor hypervisor_;
    Port exceptions_;
    std::map<DomId, std::unique_ptr<Ring>> rings_;
    std::map<Port, DomId> domain_of_port_;
};

}
