// The domains of this host: their rings, their events, and what becomes of them.
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
    /// Opens the devices and asks to be told of domains that stop.
    /// @throws std::system_error  a device is missing or refuses
    Domains();
    ~Domains();

    /// Readable when an event is here.
    int fd() const { return events_.fd(); }

    /// The ring of the kernel we run under, which has been writing to it before we were there.
    /// @throws std::system_error  /proc/xen does not offer it
    std::unique_ptr<RingLink> connect_own_kernel();
    /// Maps the ring, by the grant that the domain's builder left for us or else by its frame, and binds the port. The
    /// link ends at the latest with disconnect().
    std::unique_ptr<RingLink> connect(DomId domain, Gfn frame, Port remote_port);
    /// Gives a connected domain another port.
    void rebind(DomId domain, Port remote_port);
    void disconnect(DomId domain);

    bool exists(DomId domain);
    /// The state of each of `domains`.
    std::map<DomId, DomainState> states_of(const std::vector<DomId>& domains);

    /// Takes the events that are here: domains to be served, and whether the states want a look.
    struct News {
        std::vector<DomId> domains;
        bool states_changed = false;
    };
    News take_events();

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
