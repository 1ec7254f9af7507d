// How events arrive, 2-level: bits in order, masks, wake-ups, polling.

#include "tests/unit/event_channels/event_domain.hpp"

namespace xylem::event_channels::test {

using xylem::test::Session;

namespace {

class Delivery : public testing::Test {
protected:
    Delivery() { scheduled() = {}; }
    Session session;
    EventDomain guest{1}, backend{0};
    Joined ports = join(guest, backend);
};

TEST_F(Delivery, EventSetsPortSelectorAndFlagAndWakesTheVcpu)
{
    backend.take_events();
    scheduled() = {};
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_TRUE(guest.pending(ports.a));
    EXPECT_EQ(guest.info().evtchn_pending_sel, 1u);
    EXPECT_TRUE(guest.upcall());
    ASSERT_EQ(scheduled().woken.size(), 1u);
    EXPECT_EQ(scheduled().woken[0], &guest.unit());
    EXPECT_EQ(scheduled().kicked.size(), 1u);
}

TEST_F(Delivery, VcpuIsToldOncePerUpcall)
{
    const Joined second = join(guest, backend);
    scheduled() = {};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(send(backend.table, ports.b).ok());
        EXPECT_TRUE(send(backend.table, second.b).ok());
    }
    EXPECT_EQ(scheduled().woken.size(), 1u);
    EXPECT_EQ(guest.take_events(), (std::vector{ports.a.value, second.a.value}));
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_EQ(scheduled().woken.size(), 2u);
}

TEST_F(Delivery, MaskedPortIsPendingWithoutAnUpcallUntilUnmasked)
{
    guest.mask(ports.a);
    scheduled() = {};
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_TRUE(guest.pending(ports.a));
    EXPECT_FALSE(guest.upcall());
    EXPECT_TRUE(scheduled().woken.empty());
    EXPECT_TRUE(unmask(guest.table, ports.a).ok());
    EXPECT_EQ(guest.take_events(), std::vector{ports.a.value});
    EXPECT_TRUE(unmask(guest.table, ports.a).ok());
    EXPECT_FALSE(guest.upcall()) << "nothing was pending";
}

TEST_F(Delivery, EventGoesToTheVcpuThatThePortIsBoundTo)
{
    EXPECT_TRUE(bind_vcpu(guest.table, ports.a, VcpuId(1)).ok());
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_FALSE(guest.upcall(0));
    EXPECT_EQ(guest.take_events(1), std::vector{ports.a.value});
}

TEST_F(Delivery, IpiReachesItsVcpu)
{
    const Port ipi = bind_ipi(guest.table, VcpuId(1)).value();
    EXPECT_TRUE(send(guest.table, ipi).ok());
    EXPECT_EQ(guest.take_events(1), std::vector{ipi.value});
}

TEST_F(Delivery, VcpuInfoMayMove)
{
    abi::VcpuInfo registered{};
    guest.vcpus[0]->info = &registered;
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_TRUE(registered.evtchn_upcall_pending);
    EXPECT_EQ(registered.evtchn_pending_sel, 1u);
    EXPECT_TRUE(pending_for(guest.events()));
    registered.evtchn_upcall_mask = 1;
    EXPECT_FALSE(pending_for(guest.events()));
}

TEST_F(Delivery, DomainWithoutVcpusLosesEventsQuietly)
{
    EventDomain unfinished{3, 0};
    const Joined early = join(unfinished, backend);
    EXPECT_TRUE(send(backend.table, early.b).ok());
    EXPECT_EQ(bind_ipi(unfinished.table, VcpuId(0)), Error::NoEntry);
    EXPECT_TRUE(unmask(unfinished.table, early.a).ok());
}

// sched_op poll: a masked port wakes its poller, too (Linux's spin locks wait so).
TEST_F(Delivery, PollerIsWokenByAMaskedPort)
{
    guest.mask(ports.a);
    const Port list[] = {ports.a};
    start_poll(guest.table, guest.events(1), ports.a);
    EXPECT_FALSE(any_pending(guest.table, list).value());
    scheduled() = {};
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    ASSERT_EQ(scheduled().woken.size(), 1u);
    EXPECT_EQ(scheduled().woken[0], &guest.unit(1));
    EXPECT_FALSE(guest.upcall(0));
    EXPECT_TRUE(any_pending(guest.table, list).value());
    EXPECT_TRUE(guest.pending(ports.a)) << "polling takes nothing";
}

TEST_F(Delivery, PollerOfOnePortSleepsThroughOthersAndOfSeveralWakesForAny)
{
    const Joined second = join(guest, backend);
    guest.mask(ports.a);
    guest.mask(second.a);
    start_poll(guest.table, guest.events(0), second.a);
    start_poll(guest.table, guest.events(1), Port(0));
    scheduled() = {};
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    ASSERT_EQ(scheduled().woken.size(), 1u);
    EXPECT_EQ(scheduled().woken[0], &guest.unit(1));
    stop_poll(guest.table, guest.events(0));
    EXPECT_TRUE(send(backend.table, second.b).ok());
    EXPECT_EQ(scheduled().woken.size(), 1u) << "the poll was over";
    const Port bad[] = {Port(4000)};
    EXPECT_EQ(any_pending(guest.table, bad), Error::Invalid);
}

}

}
