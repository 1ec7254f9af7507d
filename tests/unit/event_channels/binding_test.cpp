// What ports can be bound to: each operation's effect and its errors. (docs/pv-abi.md's table of event_channel_op)

#include "tests/unit/event_channels/event_domain.hpp"

namespace xylem::event_channels::test {

using xylem::test::Session;

namespace {

class Binding : public testing::Test {
protected:
    Session session;
    EventDomain dom0{0}, guest{1}, other{2};
};

TEST_F(Binding, LowestFreePortIsGivenOutAndPortZeroNever)
{
    EXPECT_EQ(alloc_unbound(guest.table, DomId(0)).value(), Port(1));
    EXPECT_EQ(bind_ipi(guest.table, VcpuId(1)).value(), Port(2));
    EXPECT_EQ(alloc_unbound(guest.table, DomId(0)).value(), Port(3));
    EXPECT_TRUE(close(guest.table, Port(2)).ok());
    EXPECT_EQ(bind_ipi(guest.table, VcpuId(0)).value(), Port(2));
}

TEST_F(Binding, DomainHasNoMorePortsThanItsLimit)
{
    EventDomain small{3, 1, 5};
    for (u32 port = 1; port <= 5; ++port)
        EXPECT_EQ(alloc_unbound(small.table, DomId(0)).value(), Port(port));
    EXPECT_EQ(alloc_unbound(small.table, DomId(0)), Error::NoSpace);
    EXPECT_EQ(bind_virq(small.table, 0, VcpuId(0)), Error::NoSpace);
}

TEST_F(Binding, TwoLevelHas4096PortsAndFifo131072)
{
    for (u32 port = 1; port < 4096; ++port)
        ASSERT_EQ(bind_ipi(guest.table, VcpuId(0)).value(), Port(port));
    EXPECT_EQ(bind_ipi(guest.table, VcpuId(0)), Error::NoSpace);
    guest.use_fifo(1);
    for (u32 port = 4096; port < 131072; ++port)
        ASSERT_EQ(bind_ipi(guest.table, VcpuId(0)).value(), Port(port));
    EXPECT_EQ(bind_ipi(guest.table, VcpuId(0)), Error::NoSpace);
    EXPECT_FALSE(status(guest.table, Port(131072)).ok());
}

TEST_F(Binding, UnboundPortCanBeBoundOnlyByTheDomainItWaitsFor)
{
    const Port port = alloc_unbound(guest.table, DomId(0)).value();
    EXPECT_EQ(bind_interdomain(other.table, guest.table, port), Error::Invalid);
    EXPECT_EQ(bind_interdomain(dom0.table, guest.table, Port(77)), Error::Invalid);
    EXPECT_EQ(bind_interdomain(dom0.table, guest.table, Port(~u32{0})), Error::Invalid);
    EXPECT_EQ(bind_interdomain(dom0.table, guest.table, Port(0)), Error::Invalid);
    const Port local = bind_interdomain(dom0.table, guest.table, port).value();
    EXPECT_EQ(local, Port(1)) << "the failed attempts kept a port";
    EXPECT_EQ(bind_interdomain(dom0.table, guest.table, port), Error::Invalid) << "it is bound already";

    const abi::EvtchnStatus mine = status(dom0.table, local).value();
    EXPECT_EQ(mine.status, abi::EvtchnStat::interdomain);
    EXPECT_EQ(mine.u.interdomain.dom, 1);
    EXPECT_EQ(mine.u.interdomain.port, port.value);
    EXPECT_EQ(status(guest.table, port).value().u.interdomain.port, local.value);
}

// Backends and xenstored count on this first kick: what was sent before the binding is lost.
TEST_F(Binding, NewInterdomainPortIsPendingOnce)
{
    const Port port = alloc_unbound(guest.table, DomId(0)).value();
    EXPECT_TRUE(send(guest.table, port).ok()) << "an unbound port takes events silently";
    const Port local = bind_interdomain(dom0.table, guest.table, port).value();
    EXPECT_EQ(dom0.take_events(), std::vector{local.value});
    EXPECT_TRUE(guest.take_events().empty());
}

TEST_F(Binding, PortsOfOneDomainCanBeJoined)
{
    const Port unbound = alloc_unbound(dom0.table, DomId(0)).value();
    const Port bound = bind_interdomain(dom0.table, dom0.table, unbound).value();
    EXPECT_EQ(dom0.take_events(), std::vector{bound.value});
    EXPECT_TRUE(send(dom0.table, bound).ok());
    EXPECT_EQ(dom0.take_events(), std::vector{unbound.value});
    EXPECT_TRUE(close(dom0.table, unbound).ok());
    dom0.state(bound, abi::EvtchnStat::unbound);
}

TEST_F(Binding, ClosedPortsPeerWaitsForANewPartnerOfTheSameDomain)
{
    const Joined ports = join(guest, dom0);
    EXPECT_TRUE(close(dom0.table, ports.b).ok());
    dom0.state(ports.b, abi::EvtchnStat::closed);
    guest.state(ports.a, abi::EvtchnStat::unbound);
    EXPECT_EQ(status(guest.table, ports.a).value().u.unbound.dom, 0);
    EXPECT_TRUE(send(guest.table, ports.a).ok());
    EXPECT_EQ(bind_interdomain(dom0.table, guest.table, ports.a).value(), ports.b);
}

TEST_F(Binding, CloseAndSendRefuseWhatIsNoPortToClose)
{
    EXPECT_EQ(close(guest.table, Port(0)), Error::Invalid);
    EXPECT_EQ(close(guest.table, Port(1)), Error::Invalid);
    EXPECT_EQ(close(guest.table, Port(1u << 20)), Error::Invalid);
    const Port virq = bind_virq(guest.table, 0, VcpuId(0)).value();
    EXPECT_EQ(send(guest.table, virq), Error::Invalid);
    EXPECT_EQ(send(guest.table, Port(0)), Error::Invalid);
    EXPECT_EQ(send(guest.table, Port(2)), Error::Invalid);
    EXPECT_TRUE(close(guest.table, virq).ok());
    EXPECT_EQ(close(guest.table, virq), Error::Invalid);
    EXPECT_EQ(unmask(guest.table, Port(9999)), Error::Invalid);
}

TEST_F(Binding, ClosingForgetsAPendingEventAndTheChosenVcpu)
{
    const Joined ports = join(guest, dom0);
    EXPECT_TRUE(bind_vcpu(guest.table, ports.a, VcpuId(1)).ok());
    EXPECT_TRUE(send(dom0.table, ports.b).ok());
    EXPECT_TRUE(guest.pending(ports.a));
    EXPECT_TRUE(close(guest.table, ports.a).ok());
    EXPECT_FALSE(guest.pending(ports.a));
    EXPECT_EQ(alloc_unbound(guest.table, DomId(0)).value(), ports.a);
    EXPECT_EQ(status(guest.table, ports.a).value().vcpu, 0u);
}

TEST_F(Binding, VirqIsBoundOncePerVcpuAndGlobalOnesOnTheFirst)
{
    EXPECT_EQ(bind_virq(guest.table, 24, VcpuId(0)), Error::Invalid);
    EXPECT_EQ(bind_virq(guest.table, static_cast<u32>(abi::Virq::console), VcpuId(1)), Error::Invalid);
    EXPECT_EQ(bind_virq(guest.table, 0, VcpuId(2)), Error::NoEntry);
    EXPECT_EQ(bind_virq(guest.table, 0, VcpuId(~u32{0})), Error::NoEntry);
    const Port timer0 = bind_virq(guest.table, 0, VcpuId(0)).value();
    const Port timer1 = bind_virq(guest.table, 0, VcpuId(1)).value();
    EXPECT_EQ(bind_virq(guest.table, 0, VcpuId(1)), Error::Exists);
    EXPECT_EQ(status(guest.table, timer1).value().vcpu, 1u);
    EXPECT_EQ(status(guest.table, timer1).value().u.virq, 0u);

    raise_virq(guest.table, VcpuId(1), 0);
    EXPECT_EQ(guest.take_events(1), std::vector{timer1.value});
    EXPECT_TRUE(guest.take_events(0).empty());
    EXPECT_TRUE(close(guest.table, timer0).ok());
    raise_virq(guest.table, VcpuId(0), 0);
    EXPECT_TRUE(guest.take_events(0).empty());
    EXPECT_TRUE(bind_virq(guest.table, 0, VcpuId(0)).ok());
}

TEST_F(Binding, GlobalVirqFollowsItsVcpu)
{
    const auto console = static_cast<u32>(abi::Virq::console);
    const Port port = bind_virq(dom0.table, console, VcpuId(0)).value();
    EXPECT_TRUE(bind_vcpu(dom0.table, port, VcpuId(1)).ok());
    raise_global_virq(dom0.table, console);
    EXPECT_EQ(dom0.take_events(1), std::vector{port.value});
    EXPECT_TRUE(close(dom0.table, port).ok());
    EXPECT_TRUE(bind_virq(dom0.table, console, VcpuId(0)).ok()) << "it was not unbound from the first vCPU";
}

TEST_F(Binding, OnlyPortsWithoutAVcpuOfTheirOwnCanBeMoved)
{
    const Port ipi = bind_ipi(guest.table, VcpuId(0)).value();
    const Port timer = bind_virq(guest.table, 0, VcpuId(0)).value();
    const Port unbound = alloc_unbound(guest.table, DomId(0)).value();
    EXPECT_EQ(bind_vcpu(guest.table, ipi, VcpuId(1)), Error::Invalid);
    EXPECT_EQ(bind_vcpu(guest.table, timer, VcpuId(1)), Error::Invalid);
    EXPECT_EQ(bind_vcpu(guest.table, Port(50), VcpuId(1)), Error::Invalid);
    EXPECT_EQ(bind_vcpu(guest.table, unbound, VcpuId(2)), Error::NoEntry);
    EXPECT_TRUE(bind_vcpu(guest.table, unbound, VcpuId(1)).ok());
    EXPECT_EQ(status(guest.table, unbound).value().vcpu, 1u);
    EXPECT_EQ(bind_ipi(guest.table, VcpuId(2)), Error::NoEntry);
}

// ---- Hardware interrupts

struct FakePirqs {
    std::vector<std::pair<u16, u32>> bound;
    Error refusal{};
};
FakePirqs& pirqs()
{
    static FakePirqs kept;
    return kept;
}
Result<void> bind_fake(DomId domain, u32 pirq, bool)
{
    if (pirqs().refusal != Error{})
        return pirqs().refusal;
    pirqs().bound.emplace_back(domain.value, pirq);
    return {};
}
void unbind_fake(DomId domain, u32 pirq)
{
    std::erase(pirqs().bound, std::pair<u16, u32>(domain.value, pirq));
}

TEST_F(Binding, PirqIsBoundOnceAndByLeaveOfTheInterruptLayer)
{
    set_pirq_layer({.bind = bind_fake, .unbind = unbind_fake});
    pirqs() = {};
    pirqs().refusal = Error::NotPermitted;
    EXPECT_EQ(bind_pirq(dom0.table, 9, 0), Error::NotPermitted);
    pirqs().refusal = {};
    EXPECT_EQ(bind_pirq(dom0.table, max_pirqs, 0), Error::Invalid);
    const Port port = bind_pirq(dom0.table, 9, abi::bind_pirq_will_share).value();
    EXPECT_EQ(port, Port(1));
    EXPECT_EQ(bind_pirq(dom0.table, 9, 0), Error::Exists);
    EXPECT_EQ(status(dom0.table, port).value().u.pirq, 9u);
    raise_pirq(dom0.table, 9);
    raise_pirq(dom0.table, 10);
    raise_pirq(dom0.table, ~u32{0});
    EXPECT_EQ(dom0.take_events(), std::vector{port.value});
    EXPECT_EQ(send(dom0.table, port), Error::Invalid);
    EXPECT_TRUE(close(dom0.table, port).ok());
    EXPECT_TRUE(pirqs().bound.empty());
    raise_pirq(dom0.table, 9);
    EXPECT_TRUE(dom0.take_events().empty());
}

// ---- The end

TEST_F(Binding, ResetClosesAllPortsInStepsAndRefusesASecondOne)
{
    for (int i = 0; i < 300; ++i)
        join(guest, dom0);
    session.machine.preempt_every(1);
    EXPECT_EQ(reset(guest.table, Continued::no), Error::Preempted);
    EXPECT_EQ(reset(guest.table, Continued::no), Error::Busy);
    int steps = 1;
    while (reset(guest.table, Continued::yes) == Error::Preempted)
        ++steps;
    EXPECT_GE(steps, 300 / 64);
    for (u32 port = 1; port <= 300; ++port) {
        guest.state(Port(port), abi::EvtchnStat::closed);
        dom0.state(Port(port), abi::EvtchnStat::unbound);
    }
}

// XSA-343: what is bound behind a reset's back, where it has been already, keeps its events.
TEST_F(Binding, PortBoundDuringAResetKeepsItFromEnding)
{
    guest.use_fifo();
    for (int i = 0; i < 300; ++i)
        join(guest, dom0);
    session.machine.preempt_every(1);
    EXPECT_EQ(reset(guest.table, Continued::no), Error::Preempted);
    const Joined late = join(guest, dom0);
    EXPECT_EQ(late.a, Port(1));
    Result<void> result = Error::Preempted;
    while (result == Error::Preempted)
        result = reset(guest.table, Continued::yes);
    EXPECT_EQ(result, Error::Again);
    (void)guest.take_fifo_events();
    EXPECT_TRUE(send(dom0.table, late.b).ok());
    EXPECT_EQ(guest.take_fifo_events(), std::vector{late.a.value});
}

// What a peer can still do while a domain ends must not reach what has gone.
TEST_F(Binding, DestructionPartsFromEveryPeerAndGivesNoNewPort)
{
    EventDomain mortal{4};
    const Joined ports = join(mortal, dom0);
    session.machine.preempt_every(1);
    mortal.end();
    session.machine.preempt_every(0);
    EXPECT_EQ(alloc_unbound(mortal.table, DomId(0)), Error::Invalid);
    EXPECT_EQ(bind_virq(mortal.table, 0, VcpuId(0)), Error::Invalid);
    EXPECT_EQ(bind_interdomain(dom0.table, mortal.table, ports.a), Error::Invalid);
    dom0.state(ports.b, abi::EvtchnStat::unbound);
    EXPECT_TRUE(send(dom0.table, ports.b).ok());
    EXPECT_EQ(init_control(mortal.table, Mfn(5), 0, VcpuId(0)), Error::Invalid);
}

TEST_F(Binding, InterruptedResetDoesNotKeepTheDomainFromEnding)
{
    EventDomain mortal{4};
    for (int i = 0; i < 200; ++i)
        join(mortal, dom0);
    session.machine.preempt_every(1);
    EXPECT_EQ(reset(mortal.table, Continued::no), Error::Preempted);
    session.machine.preempt_every(0);
    mortal.end();
    for (u32 port = 1; port <= 200; ++port)
        dom0.state(Port(port), abi::EvtchnStat::unbound);
}

TEST_F(Binding, IdleDomainCostsTwoPages)
{
    const u64 before = mm::free_frame_count();
    EventDomain idle{5};
    for (int i = 0; i < 20; ++i)
        join(idle, dom0);
    EXPECT_LE(before - mm::free_frame_count(), 2u + 2u) << "two of the idle domain, two of dom0";
}

}

}
