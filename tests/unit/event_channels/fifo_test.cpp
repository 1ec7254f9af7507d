// The FIFO ABI: the switch to it, order and priority, words without pages, and a guest that spoils its own queues.

#include "tests/unit/event_channels/event_domain.hpp"

namespace xylem::event_channels::test {

using xylem::test::Session;

namespace {

constexpr u32 pending = u32{1} << 31, masked = u32{1} << 30, linked = u32{1} << 29, busy = u32{1} << 28;

class FifoEvents : public testing::Test {
protected:
    FifoEvents() { scheduled() = {}; }
    Session session;
    EventDomain guest{1}, backend{0};

    Joined joined_and_quiet()
    {
        const Joined ports = join(guest, backend);
        backend.take_events();
        return ports;
    }
};

TEST_F(FifoEvents, ControlBlockMustLieInOneWritablePageOfTheGuestAndOnlyOnce)
{
    const Mfn page = guest.page();
    EXPECT_EQ(init_control(guest.table, page, 0, VcpuId(2)), Error::NoEntry);
    EXPECT_EQ(init_control(guest.table, page, 4, VcpuId(0)), Error::Invalid);
    EXPECT_EQ(init_control(guest.table, page, 4096 - 64, VcpuId(0)), Error::Invalid);
    EXPECT_EQ(init_control(guest.table, page, ~u32{7}, VcpuId(0)), Error::Invalid);
    EXPECT_EQ(init_control(guest.table, Mfn(0xfed00), 0, VcpuId(0)), Error::Invalid);
    EXPECT_EQ(init_control(guest.table, Mfn(~u64{0}), 0, VcpuId(0)), Error::Invalid);
    EXPECT_EQ(init_control(guest.table, backend.page(), 0, VcpuId(0)), Error::Invalid) << "another's page";
    EXPECT_EQ(expand_array(guest.table, page), Error::NotSupported) << "none of these switched to FIFO";
    EXPECT_TRUE(init_control(guest.table, page, 4096 - 72, VcpuId(0)).ok());
    EXPECT_EQ(init_control(guest.table, page, 0, VcpuId(0)), Error::Invalid);
    EXPECT_TRUE(init_control(guest.table, page, 0, VcpuId(1)).ok());
    EXPECT_EQ(expand_array(guest.table, backend.page()), Error::Invalid);
}

TEST_F(FifoEvents, PageTableCannotBecomeAnEventArray)
{
    const Mfn table = guest.page();
    ASSERT_TRUE(mm::pin(guest.owner, table, mm::PageType::l1).ok());
    EXPECT_EQ(init_control(guest.table, table, 0, VcpuId(0)), Error::Invalid);
    guest.use_fifo(0);
    EXPECT_EQ(expand_array(guest.table, table), Error::Invalid);
    ASSERT_TRUE(mm::unpin(guest.owner, table).ok());
}

TEST_F(FifoEvents, EventIsLinkedReadyAndDelivered)
{
    guest.use_fifo();
    const Joined ports = joined_and_quiet();
    scheduled() = {};
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_EQ(guest.word(ports.a), pending | linked);
    EXPECT_EQ(guest.control().ready, 1u << 7);
    EXPECT_EQ(guest.control().head[7], ports.a.value);
    EXPECT_TRUE(guest.upcall());
    EXPECT_EQ(scheduled().woken.size(), 1u);
    EXPECT_EQ(guest.take_fifo_events(), std::vector{ports.a.value});
    EXPECT_EQ(guest.word(ports.a), 0u);
}

TEST_F(FifoEvents, EventsKeepTheirOrderWithinAPriority)
{
    guest.use_fifo();
    std::vector<Joined> ports;
    for (int i = 0; i < 20; ++i)
        ports.push_back(joined_and_quiet());
    std::vector<u32> sent;
    for (const int i : {3, 17, 4, 0, 19, 8, 4, 3}) {
        EXPECT_TRUE(send(backend.table, ports[static_cast<unsigned>(i)].b).ok());
        const u32 port = ports[static_cast<unsigned>(i)].a.value;
        if (std::find(sent.begin(), sent.end(), port) == sent.end())
            sent.push_back(port);
    }
    EXPECT_EQ(guest.take_fifo_events(), sent);
    EXPECT_TRUE(guest.take_fifo_events().empty());
}

TEST_F(FifoEvents, HigherPriorityComesFirst)
{
    guest.use_fifo();
    const Joined low = joined_and_quiet(), high = joined_and_quiet();
    EXPECT_TRUE(set_priority(guest.table, high.a, 0).ok());
    EXPECT_TRUE(set_priority(guest.table, low.a, 15).ok());
    EXPECT_TRUE(send(backend.table, low.b).ok());
    EXPECT_TRUE(send(backend.table, high.b).ok());
    EXPECT_EQ(guest.take_fifo_events(), (std::vector{high.a.value, low.a.value}));
}

TEST_F(FifoEvents, PriorityIsCheckedInXensOrder)
{
    const Joined ports = joined_and_quiet();
    EXPECT_EQ(set_priority(guest.table, Port(3000), 0), Error::Invalid);
    EXPECT_EQ(set_priority(guest.table, ports.a, 99), Error::NotImplemented);
    guest.use_fifo();
    EXPECT_EQ(set_priority(guest.table, Port(50), 0), Error::Access);
    EXPECT_EQ(set_priority(guest.table, ports.a, 16), Error::Invalid);
    EXPECT_TRUE(set_priority(guest.table, ports.a, 15).ok());
}

TEST_F(FifoEvents, MaskedEventIsPendingUnlinkedUntilUnmasked)
{
    guest.use_fifo();
    const Joined ports = joined_and_quiet();
    guest.word(ports.a) = masked;
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_EQ(guest.word(ports.a), pending | masked);
    EXPECT_FALSE(guest.upcall());
    EXPECT_TRUE(unmask(guest.table, ports.a).ok());
    EXPECT_EQ(guest.take_fifo_events(), std::vector{ports.a.value});
}

// What is pending when a guest switches, or when a word's page is still missing, is not lost.
TEST_F(FifoEvents, PendingEventsSurviveTheSwitchAndMissingPages)
{
    const Joined before = joined_and_quiet();
    EXPECT_TRUE(send(backend.table, before.b).ok());
    guest.use_fifo(0);
    const Joined between = joined_and_quiet();
    EXPECT_TRUE(send(backend.table, between.b).ok());
    guest.array_pages.push_back(guest.page());
    EXPECT_TRUE(expand_array(guest.table, guest.array_pages[0]).ok());
    EXPECT_EQ(guest.take_fifo_events(), (std::vector{before.a.value, between.a.value}));
}

// A thousand events may have to be raised when their page comes: the call is continued, and adds the page once.
TEST_F(FifoEvents, AnExpansionIsContinuedAndAddsItsPageOnce)
{
    constexpr unsigned ports = 400;
    std::vector<Joined> joined;
    for (unsigned i = 0; i < ports; ++i)
        joined.push_back(join(guest, backend));
    for (const Joined& pair : joined)
        EXPECT_TRUE(send(backend.table, pair.b).ok());
    guest.use_fifo(0);
    guest.array_pages.push_back(guest.page());
    session.machine.preempt_every(1);
    unsigned calls = 1;
    while (expand_array(guest.table, guest.array_pages[0]) == Error::Preempted)
        ++calls;
    EXPECT_GE(calls, ports / 64);
    EXPECT_EQ(guest.table.fifo->page_count, 1u);
    for (const Joined& pair : joined)
        EXPECT_TRUE(guest.word(pair.a) >> abi::evtchn_fifo_pending & 1) << pair.a.value;
}

TEST_F(FifoEvents, ArrayHas128PagesAndNoMore)
{
    guest.use_fifo(128);
    EXPECT_EQ(expand_array(guest.table, guest.page()), Error::NoSpace);
}

TEST_F(FifoEvents, EventForAVcpuWithoutControlBlockStaysPendingOnly)
{
    guest.control_pages.push_back(guest.page());
    ASSERT_TRUE(init_control(guest.table, guest.control_pages[0], 0, VcpuId(0)).ok());
    guest.array_pages.push_back(guest.page());
    ASSERT_TRUE(expand_array(guest.table, guest.array_pages[0]).ok());
    const Port ipi = bind_ipi(guest.table, VcpuId(1)).value();
    EXPECT_TRUE(send(guest.table, ipi).ok());
    EXPECT_EQ(guest.word(ipi), pending);
    EXPECT_FALSE(guest.upcall(1));
}

TEST_F(FifoEvents, MovedPortGoesToTheNewQueueWhenNextLinked)
{
    guest.use_fifo();
    const Joined ports = joined_and_quiet(), second = joined_and_quiet();
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_TRUE(bind_vcpu(guest.table, ports.a, VcpuId(1)).ok());
    EXPECT_TRUE(send(backend.table, ports.b).ok()) << "it is still linked where it was";
    EXPECT_FALSE(guest.upcall(1));
    EXPECT_EQ(guest.take_fifo_events(0), std::vector{ports.a.value});
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_EQ(guest.take_fifo_events(1), std::vector{ports.a.value});
    // The old queue's tail was this port: the next event there must not be linked to it.
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_TRUE(send(backend.table, second.b).ok());
    EXPECT_EQ(guest.take_fifo_events(0), std::vector{second.a.value});
    EXPECT_EQ(guest.take_fifo_events(1), std::vector{ports.a.value});
}

TEST_F(FifoEvents, ClosedPortIsNotGivenOutWhileTheGuestHasItLinked)
{
    guest.use_fifo();
    const Joined ports = joined_and_quiet();
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_TRUE(close(guest.table, ports.a).ok());
    EXPECT_EQ(guest.word(ports.a), linked);
    EXPECT_NE(alloc_unbound(guest.table, DomId(0)).value(), ports.a);
    EXPECT_TRUE(guest.take_fifo_events().empty()) << "what is not pending is passed over";
    EXPECT_EQ(alloc_unbound(guest.table, DomId(0)).value(), ports.a);
}

// A guest may write anything into its words: it must spoil nothing but its own events, and not keep us busy.
TEST_F(FifoEvents, HostileWordsHarmOnlyTheGuest)
{
    guest.use_fifo();
    std::vector<Joined> ports;
    for (int i = 0; i < 8; ++i)
        ports.push_back(joined_and_quiet());
    const u32 nonsense[] = {0xFFFF'FFFF,         linked | 0x1FFFF, busy | linked,
                            masked | linked | 1, linked | 5,       pending | busy};
    unsigned turn = 0;
    for (int round = 0; round < 200; ++round) {
        for (const Joined& pair : ports) {
            guest.word(pair.a) = nonsense[turn++ % std::size(nonsense)];
            guest.control().head[7] = 0xFFFF'FFFF;
            guest.control().ready = 0;
            EXPECT_TRUE(send(backend.table, pair.b).ok());
        }
    }
    // It mends its ways, and is served again.
    for (const Joined& pair : ports)
        guest.word(pair.a) = 0;
    guest.control() = {};
    guest.info().evtchn_upcall_pending = 0;
    EXPECT_TRUE(send(backend.table, ports[2].b).ok());
    EXPECT_EQ(guest.take_fifo_events(), std::vector{ports[2].a.value});
}

TEST_F(FifoEvents, PortsKeptInQueuesCannotMakeTheSearchLong)
{
    guest.use_fifo(8);
    for (u32 port = 1; port <= 6000; ++port)
        guest.word(Port(port)) = linked;
    EXPECT_EQ(alloc_unbound(guest.table, DomId(0)), Error::NoSpace);
    for (u32 port = 1; port <= 6000; ++port)
        guest.word(Port(port)) = 0;
    EXPECT_EQ(alloc_unbound(guest.table, DomId(0)).value(), Port(1));
}

TEST_F(FifoEvents, ResetGoesBackToTwoLevelAndLetsThePagesGo)
{
    const u64 free = mm::free_frame_count();
    guest.use_fifo(3);
    const Joined ports = joined_and_quiet();
    (void)ports;
    EXPECT_TRUE(reset(guest.table, Continued::no).ok());
    for (const Mfn page : guest.array_pages)
        EXPECT_EQ(mm::reference_count(page), 1u) << "only its owner's allocation is left";
    for (const Mfn page : guest.control_pages)
        EXPECT_EQ(mm::reference_count(page), 1u);
    EXPECT_LE(free - mm::free_frame_count(), 3u + 2u + 4u);
    EXPECT_EQ(expand_array(guest.table, guest.array_pages[0]), Error::NotSupported);
    const Joined again = joined_and_quiet();
    EXPECT_TRUE(send(backend.table, again.b).ok());
    EXPECT_EQ(guest.take_events(), std::vector{again.a.value});
}

TEST_F(FifoEvents, PollSeesFifoPorts)
{
    guest.use_fifo();
    const Joined ports = joined_and_quiet();
    guest.word(ports.a) = masked;
    const Port list[] = {ports.a};
    start_poll(guest.table, guest.events(1), ports.a);
    EXPECT_FALSE(any_pending(guest.table, list).value());
    scheduled() = {};
    EXPECT_TRUE(send(backend.table, ports.b).ok());
    EXPECT_EQ(scheduled().woken.size(), 1u);
    EXPECT_TRUE(any_pending(guest.table, list).value());
}

}

}
