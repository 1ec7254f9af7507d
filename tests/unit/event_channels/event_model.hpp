// Three domains that bind, close, send, mask and take events, in 2-level or FIFO, and a model of them that is a plain
// map of ports: results, states of all ports, and what a guest takes at its upcalls.
#pragma once

#include "tests/support/choices.hpp"
#include "tests/unit/event_channels/event_domain.hpp"

#include <map>

namespace xylem::event_channels::test {

class EventModel {
public:
    static constexpr unsigned domain_count = 3, vcpu_count = 3;
    static constexpr u32 highest_port = 40;

    struct ModelPort {
        abi::EvtchnStat state = abi::EvtchnStat::closed;
        unsigned other = 0; // unbound: who may bind; interdomain: the peer's domain
        u32 peer = 0;
        u32 virq = 0, vcpu = 0;
        bool pending = false, masked = false;
    };

    struct Model {
        std::map<u32, ModelPort> ports; // those that are not closed
        bool fifo = false;
    };

    explicit EventModel(xylem::test::Choices& source) : choices(source)
    {
        for (unsigned i = 0; i < domain_count; ++i)
            domains.emplace_back(new EventDomain(static_cast<u16>(i + 1), vcpu_count, highest_port));
    }

    unsigned pick(unsigned below) { return choices.below(below); }
    bool linked(unsigned domain, u32 port)
    {
        return models[domain].fifo && (domains[domain]->word(Port(port)) >> abi::evtchn_fifo_linked & 1);
    }
    /// The port that the next binding must get; 0 if none is left.
    u32 next_port(unsigned domain)
    {
        for (u32 port = 1; port <= highest_port; ++port)
            if (!models[domain].ports.contains(port) && !linked(domain, port))
                return port;
        return 0;
    }
    /// @param wanted  what next_port() said before
    bool expect_port(u32 wanted, const Result<Port>& got)
    {
        if (wanted == 0) {
            EXPECT_EQ(got, Error::NoSpace);
            return false;
        }
        EXPECT_TRUE(got.ok());
        EXPECT_EQ(got.ok() ? got.value().value : 0, wanted);
        return got.ok();
    }
    ModelPort& added(unsigned domain, u32 port, abi::EvtchnStat state)
    {
        ModelPort& made = models[domain].ports[port];
        made = {};
        made.state = state;
        made.masked = guest_masked(domain, port);
        return made;
    }
    bool guest_masked(unsigned domain, u32 port)
    {
        EventDomain& d = *domains[domain];
        return models[domain].fifo ? d.word(Port(port)) >> abi::evtchn_fifo_masked & 1
                                   : test_bit(d.shared->evtchn_mask, port);
    }
    ModelPort* find(unsigned domain, u32 port)
    {
        const auto at = models[domain].ports.find(port);
        return at == models[domain].ports.end() ? nullptr : &at->second;
    }

    void do_alloc(unsigned domain)
    {
        const unsigned remote = pick(domain_count);
        const u32 wanted = next_port(domain);
        if (expect_port(wanted, alloc_unbound(domains[domain]->table, domains[remote]->owner.id)))
            added(domain, wanted, abi::EvtchnStat::unbound).other = remote;
    }
    void do_bind(unsigned domain)
    {
        const unsigned remote = pick(domain_count);
        const u32 remote_port = pick(highest_port + 2);
        const u32 wanted = next_port(domain);
        const Result<Port> got = bind_interdomain(domains[domain]->table, domains[remote]->table, Port(remote_port));
        ModelPort* peer = find(remote, remote_port);
        if (wanted == 0) {
            EXPECT_EQ(got, Error::NoSpace);
        } else if (!peer || peer->state != abi::EvtchnStat::unbound || peer->other != domain) {
            EXPECT_EQ(got, Error::Invalid);
        } else if (expect_port(wanted, got)) {
            peer->state = abi::EvtchnStat::interdomain;
            peer->peer = wanted;
            peer->other = domain;
            ModelPort& mine = added(domain, wanted, abi::EvtchnStat::interdomain);
            mine.other = remote;
            mine.peer = remote_port;
            mine.pending = true;
        }
    }
    void do_virq(unsigned domain)
    {
        const u32 virq = pick(4), vcpu = pick(vcpu_count);
        const bool global = virq_is_global(virq);
        const u32 wanted = next_port(domain);
        const Result<Port> got = bind_virq(domains[domain]->table, virq, VcpuId(vcpu));
        bool taken = false;
        for (const auto& [port, p] : models[domain].ports)
            taken |= p.state == abi::EvtchnStat::virq && p.virq == virq && (global || p.vcpu == vcpu);
        if (global && vcpu != 0) {
            EXPECT_EQ(got, Error::Invalid);
        } else if (taken) {
            EXPECT_EQ(got, Error::Exists);
        } else if (expect_port(wanted, got)) {
            ModelPort& mine = added(domain, wanted, abi::EvtchnStat::virq);
            mine.virq = virq;
            mine.vcpu = vcpu;
        }
    }
    void do_ipi(unsigned domain)
    {
        const u32 vcpu = pick(vcpu_count), wanted = next_port(domain);
        if (expect_port(wanted, bind_ipi(domains[domain]->table, VcpuId(vcpu))))
            added(domain, wanted, abi::EvtchnStat::ipi).vcpu = vcpu;
    }
    void do_close(unsigned domain)
    {
        const u32 port = pick(highest_port + 2);
        const Result<void> got = close(domains[domain]->table, Port(port));
        ModelPort* mine = find(domain, port);
        EXPECT_EQ(got.ok(), mine != nullptr);
        if (!mine)
            return;
        if (mine->state == abi::EvtchnStat::interdomain) {
            ModelPort& peer = *find(mine->other, mine->peer);
            peer.state = abi::EvtchnStat::unbound;
            peer.other = domain;
        }
        models[domain].ports.erase(port);
    }
    void do_send(unsigned domain)
    {
        const u32 port = pick(highest_port + 2);
        const Result<void> got = send(domains[domain]->table, Port(port));
        ModelPort* mine = find(domain, port);
        if (!mine || mine->state == abi::EvtchnStat::virq) {
            EXPECT_EQ(got, Error::Invalid);
            return;
        }
        EXPECT_TRUE(got.ok());
        if (mine->state == abi::EvtchnStat::interdomain)
            find(mine->other, mine->peer)->pending = true;
        if (mine->state == abi::EvtchnStat::ipi)
            mine->pending = true;
    }
    void do_raise(unsigned domain)
    {
        const u32 virq = pick(4), vcpu = virq_is_global(virq) ? 0 : pick(vcpu_count);
        raise_virq(domains[domain]->table, VcpuId(vcpu), virq);
        for (auto& [port, p] : models[domain].ports)
            if (p.state == abi::EvtchnStat::virq && p.virq == virq && (virq_is_global(virq) || p.vcpu == vcpu))
                p.pending = true;
    }
    void do_bind_vcpu(unsigned domain)
    {
        const u32 port = pick(highest_port + 2), vcpu = pick(vcpu_count + 1);
        const Result<void> got = bind_vcpu(domains[domain]->table, Port(port), VcpuId(vcpu));
        ModelPort* mine = find(domain, port);
        if (vcpu == vcpu_count) {
            EXPECT_EQ(got, Error::NoEntry);
        } else if (!mine || mine->state == abi::EvtchnStat::ipi ||
                   (mine->state == abi::EvtchnStat::virq && !virq_is_global(mine->virq))) {
            EXPECT_EQ(got, Error::Invalid);
        } else {
            EXPECT_TRUE(got.ok());
            mine->vcpu = vcpu;
        }
    }
    /// The guest masks a port by itself; it unmasks by the hypercall.
    void do_mask(unsigned domain)
    {
        const u32 port = 1 + pick(highest_port);
        EventDomain& d = *domains[domain];
        ModelPort* mine = find(domain, port);
        if (pick(2)) {
            if (models[domain].fifo)
                atomic_or(&d.word(Port(port)), u32{1} << abi::evtchn_fifo_masked);
            else
                d.mask(Port(port));
            if (mine)
                mine->masked = true;
        } else if (mine) {
            EXPECT_TRUE(unmask(d.table, Port(port)).ok());
            mine->masked = false;
        }
    }
    void do_priority(unsigned domain)
    {
        const u32 port = pick(highest_port + 1), priority = pick(17);
        const Result<void> got = set_priority(domains[domain]->table, Port(port), priority);
        if (models[domain].fifo && find(domain, port)) {
            EXPECT_EQ(got.ok(), priority < 16);
        } else {
            EXPECT_FALSE(got.ok());
        }
    }
    /// All vCPUs take their upcalls: together they must find just what is pending and not masked.
    void do_take(unsigned domain)
    {
        std::multiset<u32> taken, expected;
        for (unsigned vcpu = 0; vcpu < vcpu_count; ++vcpu)
            for (const u32 port :
                 models[domain].fifo ? domains[domain]->take_fifo_events(vcpu) : domains[domain]->take_events(vcpu))
                taken.insert(port);
        for (auto& [port, p] : models[domain].ports)
            if (p.pending && !p.masked) {
                expected.insert(port);
                p.pending = false;
            }
        EXPECT_EQ(taken, expected) << "domain " << domain;
    }
    void do_switch(unsigned domain)
    {
        if (models[domain].fifo)
            return;
        // As a guest does: words begin masked as the 2-level ports were.
        EventDomain& d = *domains[domain];
        d.use_fifo(0);
        d.array_pages.push_back(d.page());
        for (u32 port = 1; port <= highest_port; ++port)
            if (test_bit(d.shared->evtchn_mask, port))
                d.word(Port(port)) = u32{1} << abi::evtchn_fifo_masked;
        EXPECT_TRUE(expand_array(d.table, d.array_pages[0]).ok());
        models[domain].fifo = true;
    }

    void step()
    {
        const unsigned domain = pick(domain_count);
        switch (pick(14)) {
        case 0:
            return do_alloc(domain);
        case 1:
        case 2:
            return do_bind(domain);
        case 3:
            return do_virq(domain);
        case 4:
            return do_ipi(domain);
        case 5:
            return do_close(domain);
        case 6:
        case 7:
        case 8:
            return do_send(domain);
        case 9:
            return do_raise(domain);
        case 10:
            return do_bind_vcpu(domain);
        case 11:
            return do_mask(domain);
        case 12:
            return do_priority(domain);
        default:
            return do_take(domain);
        }
    }

    void compare()
    {
        for (unsigned domain = 0; domain < domain_count; ++domain)
            compare(domain);
    }
    void compare(unsigned domain)
    {
        for (u32 port = 1; port <= highest_port; ++port) {
            const Result<abi::EvtchnStatus> found = status(domains[domain]->table, Port(port));
            const ModelPort* expected = find(domain, port);
            if (!found.ok()) {
                ASSERT_FALSE(expected);
                continue;
            }
            ASSERT_EQ(found.value().status, expected ? expected->state : abi::EvtchnStat::closed);
            if (!expected)
                continue;
            ASSERT_EQ(found.value().vcpu, expected->vcpu);
            if (expected->state == abi::EvtchnStat::interdomain) {
                ASSERT_EQ(found.value().u.interdomain.port, expected->peer);
                ASSERT_EQ(found.value().u.interdomain.dom, domains[expected->other]->owner.id.value);
            }
        }
    }

    xylem::test::Session session;
    std::vector<std::unique_ptr<EventDomain>> domains;
    Model models[domain_count];
    xylem::test::Choices& choices;
};

}
