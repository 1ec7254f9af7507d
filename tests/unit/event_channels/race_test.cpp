// Several processors at once: events against binding, closing and reset. Run under the sanitizers; what is checked at
// the end is that nobody waited for ever, nothing was lost that had to arrive, and both tables agree.

#include "tests/unit/event_channels/event_domain.hpp"

#include <atomic>
#include <random>
#include <thread>

namespace xylem::event_channels::test {

using xylem::test::Session;

namespace {

/// Runs each body as a processor of its own, until all are done.
template <typename... Bodies> void in_parallel(Bodies... bodies)
{
    std::vector<std::thread> threads;
    u32 cpu = 0;
    (threads.emplace_back([&bodies, id = cpu++] {
        xylem::test::FakeMachine::get().run_as(CpuId(id));
        bodies();
    }),
     ...);
    for (std::thread& thread : threads)
        thread.join();
}

void send_to_all(Table& table, u32 ports, int rounds)
{
    for (int i = 0; i < rounds; ++i)
        for (u32 port = 1; port <= ports; ++port)
            (void)send(table, Port(port)).ok();
}

// Of every event sent, the last one per port must be seen by a guest that looks whenever its flag is set.
TEST(EventRaces, NoEventIsLostBetweenSendersAndATakingGuest)
{
    Session session;
    EventDomain guest{1}, backend{0};
    guest.use_fifo();
    constexpr u32 ports = 16;
    std::vector<Joined> joined;
    for (u32 i = 0; i < ports; ++i)
        joined.push_back(join(guest, backend));
    std::atomic<int> senders{2};
    const auto sender = [&] {
        for (int i = 0; i < 3000; ++i)
            (void)send(backend.table, joined[static_cast<unsigned>(i) % ports].b).ok();
        --senders;
    };
    in_parallel(sender, sender, [&] {
        for (bool more = true; more;) {
            more = senders != 0;
            while (atomic_load(&guest.info().evtchn_upcall_pending))
                (void)guest.take_fifo_events();
        }
    });
    for (const Joined& pair : joined)
        EXPECT_FALSE(guest.word(pair.a) >> abi::evtchn_fifo_pending & 1)
            << "port " << pair.a.value << " was left pending";
}

TEST(EventRaces, ClosingAndJoiningAgainstSending)
{
    Session session;
    EventDomain a{1}, b{2};
    constexpr u32 ports = 8;
    const auto churn = [&](EventDomain& mine, EventDomain& theirs, u64 seed) {
        std::mt19937_64 random{seed};
        for (int i = 0; i < 2000; ++i) {
            const Port port(1 + static_cast<u32>(random() % ports));
            switch (random() % 3) {
            case 0:
                (void)close(mine.table, port).ok();
                break;
            case 1:
                (void)alloc_unbound(mine.table, theirs.owner.id).ok();
                break;
            default:
                (void)bind_interdomain(mine.table, theirs.table, port).ok();
                break;
            }
        }
    };
    in_parallel([&] { churn(a, b, 1); }, [&] { churn(b, a, 2); }, [&] { send_to_all(a.table, ports, 800); },
                [&] { send_to_all(b.table, ports, 800); });
    for (u32 port = 1; port < 4096; ++port) {
        const Result<abi::EvtchnStatus> mine = status(a.table, Port(port));
        if (!mine.ok() || mine.value().status != abi::EvtchnStat::interdomain)
            continue;
        const abi::EvtchnStatus theirs = status(b.table, Port(mine.value().u.interdomain.port)).value();
        EXPECT_EQ(theirs.status, abi::EvtchnStat::interdomain);
        EXPECT_EQ(theirs.u.interdomain.port, port) << "the two ends do not name each other";
    }
}

// XSA-358: who raises an event and who switches to FIFO each write first and look afterwards: one sees the other.
TEST(EventRaces, NoEventIsLostInTheSwitchToFifo)
{
    Session session;
    EventDomain guest{1, 1}, backend{0, 1};
    constexpr u32 ports = 8;
    for (int round = 0; round < 300; ++round) {
        std::vector<Joined> joined;
        for (u32 i = 0; i < ports; ++i)
            joined.push_back(join(guest, backend));
        std::atomic<int> waiting{2};
        const auto start = [&] {
            --waiting;
            while (waiting != 0)
                std::this_thread::yield();
        };
        guest.control_pages.clear();
        guest.array_pages.clear();
        in_parallel(
            [&] {
                start();
                for (const Joined& pair : joined)
                    (void)send(backend.table, pair.b).ok();
            },
            [&] {
                start();
                guest.use_fifo();
            });
        for (const Joined& pair : joined)
            ASSERT_TRUE(guest.word(pair.a) >> abi::evtchn_fifo_pending & 1)
                << "round " << round << ", port " << pair.a.value;
        while (!reset(guest.table, Continued::no).ok()) {
        }
        while (!reset(backend.table, Continued::no).ok()) {
        }
        for (const Mfn page : {guest.control_pages[0], guest.array_pages[0]})
            ASSERT_TRUE(mm::give_back(guest.owner, page).ok());
    }
}

// XSA-343: a reset of event channels raced with what used them.
TEST(EventRaces, ResetAgainstSendingBindingAndInterrupts)
{
    Session session;
    EventDomain guest{1}, backend{0};
    for (int round = 0; round < 20; ++round) {
        guest.control_pages.clear();
        guest.array_pages.clear();
        guest.use_fifo();
        for (int i = 0; i < 100; ++i)
            join(guest, backend);
        (void)bind_virq(guest.table, 0, VcpuId(0)).ok();
        in_parallel(
            [&] {
                while (reset(guest.table, Continued::no) == Error::Again) {
                }
            },
            [&] { send_to_all(backend.table, 100, 5); },
            [&] {
                for (int i = 0; i < 500; ++i)
                    raise_virq(guest.table, VcpuId(0), 0);
            },
            [&] {
                for (int i = 0; i < 20; ++i)
                    (void)alloc_unbound(guest.table, DomId(0)).ok();
            });
        while (!reset(guest.table, Continued::no).ok()) {
        }
        while (!reset(backend.table, Continued::no).ok()) {
        }
        for (const Mfn page : guest.array_pages)
            EXPECT_EQ(mm::reference_count(page), 1u);
    }
}

}

}
