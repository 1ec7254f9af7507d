// event_channel_op as a guest calls it: arguments in and out, who may ask about whom, the older form, continuation.

#include "tests/unit/sharing_ops/op_domain.hpp"

namespace xylem::hypercall::test {

using xylem::test::Session;
using Cmd = abi::EvtchnCmd;

namespace {

constexpr u64 unreadable = 0x1000;

class EventChannelOp : public testing::Test {
protected:
    Session session;
    OpDomain control{0, Privilege::control}, guest{1}, other{2};

    template <typename T> i64 op(OpDomain& caller, Cmd cmd, T& argument)
    {
        return caller.call(event_channel_op, static_cast<u64>(cmd), at(argument));
    }
};

TEST_F(EventChannelOp, UnknownCommandsAndBadArgumentsAreRefused)
{
    EXPECT_EQ(guest.call(event_channel_op, 15, 0), to_errno(Error::NotImplemented));
    EXPECT_EQ(guest.call(event_channel_op, 0xFFFF'FFFF, 0), to_errno(Error::NotImplemented));
    for (u64 cmd = 0; cmd <= 14; ++cmd)
        for (const u64 address : {unreadable, u64{0}, u64{0xFFFF'8000'0000'0000}, u64{0x7FFF'FFFF'FFFF}, ~u64{0}})
            EXPECT_EQ(guest.call(event_channel_op, cmd, address), to_errno(Error::Fault)) << cmd << " at " << address;
}

TEST_F(EventChannelOp, ToolsPrepareAGuestsPortsAndBindToThem)
{
    abi::EvtchnAllocUnbound alloc{1, 0, 0};
    EXPECT_EQ(op(other, Cmd::alloc_unbound, alloc), to_errno(Error::NotPermitted));
    EXPECT_EQ(op(control, Cmd::alloc_unbound, alloc), 0);
    EXPECT_EQ(alloc.port, 1u);
    alloc = {99, 0, 0};
    EXPECT_EQ(op(control, Cmd::alloc_unbound, alloc), to_errno(Error::NoSuchDomain));
    abi::EvtchnBindInterdomain bind{1, 1, 0};
    EXPECT_EQ(op(other, Cmd::bind_interdomain, bind), to_errno(Error::Invalid));
    EXPECT_EQ(op(control, Cmd::bind_interdomain, bind), 0);
    EXPECT_EQ(bind.local_port, 1u);
    bind.remote_dom = 99;
    EXPECT_EQ(op(control, Cmd::bind_interdomain, bind), to_errno(Error::NoSuchDomain));

    abi::EvtchnStatus status{};
    status.dom = 1;
    status.port = 1;
    EXPECT_EQ(op(other, Cmd::status, status), to_errno(Error::NotPermitted));
    EXPECT_EQ(op(control, Cmd::status, status), 0);
    EXPECT_EQ(status.status, abi::EvtchnStat::interdomain);
    EXPECT_EQ(status.u.interdomain.dom, 0);
    status.dom = 99;
    EXPECT_EQ(op(control, Cmd::status, status), to_errno(Error::NoSuchDomain));
    status.dom = abi::domid_self;
    EXPECT_EQ(op(guest, Cmd::status, status), 0);
    EXPECT_EQ(status.dom, abi::domid_self);

    abi::EvtchnSend send{1};
    EXPECT_EQ(op(control, Cmd::send, send), 0);
    EXPECT_EQ(guest.shared->evtchn_pending[0], 2u);
    abi::EvtchnClose closing{1};
    EXPECT_EQ(op(control, Cmd::close, closing), 0);
    EXPECT_EQ(op(control, Cmd::close, closing), to_errno(Error::Invalid));
}

// Linux's dom0 gives xenstored a port of its own domain, and xenstored binds to it there.
TEST_F(EventChannelOp, SelfStandsForTheCallerOnBothSides)
{
    abi::EvtchnAllocUnbound alloc{abi::domid_self, abi::domid_self, 0};
    EXPECT_EQ(op(control, Cmd::alloc_unbound, alloc), 0);
    abi::EvtchnBindInterdomain bind{abi::domid_self, alloc.port, 0};
    EXPECT_EQ(op(control, Cmd::bind_interdomain, bind), 0);
    EXPECT_EQ(control.shared->evtchn_pending[0], u64{1} << bind.local_port);
}

TEST_F(EventChannelOp, PortsOfOnesOwnAreBoundAndMoved)
{
    abi::EvtchnBindVirq virq{0, 0, 0};
    EXPECT_EQ(op(guest, Cmd::bind_virq, virq), 0);
    EXPECT_EQ(virq.port, 1u);
    EXPECT_EQ(op(guest, Cmd::bind_virq, virq), to_errno(Error::Exists));
    abi::EvtchnBindIpi ipi{0, 0};
    EXPECT_EQ(op(guest, Cmd::bind_ipi, ipi), 0);
    EXPECT_EQ(ipi.port, 2u);
    abi::EvtchnBindVcpu vcpu{1, 0};
    EXPECT_EQ(op(guest, Cmd::bind_vcpu, vcpu), to_errno(Error::Invalid));
    abi::EvtchnUnmask unmask{2};
    EXPECT_EQ(op(guest, Cmd::unmask, unmask), 0);
    abi::EvtchnBindPirq pirq{5, 0, 0};
    EXPECT_EQ(op(guest, Cmd::bind_pirq, pirq), to_errno(Error::Invalid)) << "there is no interrupt layer here";
}

TEST_F(EventChannelOp, FifoIsSetUpByPages)
{
    abi::EvtchnSetPriority priority{1, 3};
    abi::EvtchnBindIpi ipi{0, 0};
    ASSERT_EQ(op(guest, Cmd::bind_ipi, ipi), 0);
    EXPECT_EQ(op(guest, Cmd::set_priority, priority), to_errno(Error::NotImplemented));
    abi::EvtchnExpandArray array{guest.page().value};
    EXPECT_EQ(op(guest, Cmd::expand_array, array), to_errno(Error::NotSupported));
    abi::EvtchnInitControl control_block{guest.page().value, 128, 0, 0, {}};
    EXPECT_EQ(op(guest, Cmd::init_control, control_block), 0);
    EXPECT_EQ(control_block.link_bits, 17);
    EXPECT_EQ(op(guest, Cmd::expand_array, array), 0);
    EXPECT_EQ(op(guest, Cmd::set_priority, priority), 0);
    abi::EvtchnSend send{ipi.port};
    EXPECT_EQ(op(guest, Cmd::send, send), 0);
    EXPECT_EQ(machine::map<u8>(Mfn(control_block.control_gfn))[128], 1u << 3) << "the queue of its priority is ready";
}

TEST_F(EventChannelOp, OlderFormCarriesItsCommandInFront)
{
    abi::EvtchnOpCompat compat{};
    compat.cmd = Cmd::alloc_unbound;
    compat.u.alloc_unbound = {abi::domid_self, 0, 0};
    EXPECT_EQ(guest.call(event_channel_op_compat, at(compat), 0), 0);
    EXPECT_EQ(compat.u.alloc_unbound.port, 1u);
    compat.cmd = Cmd::close;
    compat.u.close = {1};
    EXPECT_EQ(guest.call(event_channel_op_compat, at(compat), 0), 0);
    compat.cmd = Cmd::reset;
    EXPECT_EQ(guest.call(event_channel_op_compat, at(compat), 0), to_errno(Error::NotImplemented));
    EXPECT_EQ(guest.call(event_channel_op_compat, unreadable, 0), to_errno(Error::Fault));
}

TEST_F(EventChannelOp, ResetIsForOneselfOrAPausedDomainAndIsContinued)
{
    abi::EvtchnAllocUnbound alloc{abi::domid_self, 0, 0};
    for (int i = 0; i < 500; ++i)
        ASSERT_EQ(op(guest, Cmd::alloc_unbound, alloc), 0);
    abi::EvtchnReset reset{1};
    EXPECT_EQ(op(other, Cmd::reset, reset), to_errno(Error::NotPermitted));
    EXPECT_EQ(op(control, Cmd::reset, reset), to_errno(Error::Invalid)) << "it is not paused";
    session.machine.preempt_every(1);
    EXPECT_EQ(op(guest, Cmd::reset, reset), 0);
    EXPECT_GE(guest.continuations, 500u / 64);
    guest.domain.controller_pauses = 1;
    EXPECT_EQ(op(control, Cmd::reset, reset), 0);
    session.machine.preempt_every(0);
    EXPECT_EQ(op(guest, Cmd::alloc_unbound, alloc), 0);
    EXPECT_EQ(alloc.port, 1u);
}

}

}
