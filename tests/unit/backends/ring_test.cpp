// The server's end of a ring: order, events, impossible indices, and resuming after a kill at any point.
#include "backends/lib/grant_pool.hpp"
#include "backends/lib/ring.hpp"
#include "tests/unit/backends/fake_peer.hpp"

#include <gtest/gtest.h>

namespace xylem::backends::test {

struct Request {
    u32 number;
    u32 payload[7];
};
struct Response {
    u32 number;
    u32 result;
};
using Server = ServerRing<Request, Response>;
using Ordered = OrderedRing<Request, Response>;
using Front = FrontRing<Request, Response>;

struct RingTest : testing::Test {
    RingTest() { front.init(); }
    std::byte* shared() { return front.shared; }
    void push(u32 count)
    {
        for (u32 i = 0; i < count; ++i)
            front.push({front.produced, {}});
    }

    alignas(64) std::byte page[page_size]{};
    Front front{page};
};

TEST_F(RingTest, RequestsComeInTheOrderTheyWereMade)
{
    Server server(page, page_size);
    push(5);
    ASSERT_EQ(server.waiting(), 5u);
    for (u32 i = 0; i < 5; ++i)
        EXPECT_EQ(server.take().number, i);
    EXPECT_EQ(server.waiting(), 0u);
}

// The frontend changes a request after the backend has looked at it: the backend's copy stays what was checked
// (XSA-155).
TEST_F(RingTest, ARequestIsReadOnce)
{
    Server server(page, page_size);
    push(1);
    const Request copy = server.take();
    std::memset(front.slot(0), 0xff, sizeof(Request));
    EXPECT_EQ(copy.number, 0u);
}

TEST_F(RingTest, AnIndexBeyondTheRingIsBroken)
{
    Server server(page, page_size);
    for (const u32 index : {front.size + 1, 0x80000000u, 0xffffffffu}) {
        front.header().req_prod = index;
        EXPECT_EQ(server.waiting(), std::nullopt) << index;
    }
}

TEST_F(RingTest, AnIndexThatRunsBackwardsIsBroken)
{
    Server server(page, page_size);
    push(3);
    server.take();
    server.take();
    front.header().req_prod = 1;
    EXPECT_EQ(server.waiting(), std::nullopt);
}

TEST_F(RingTest, ThePeerIsNotifiedOnlyWhenItAskedForThisResponse)
{
    Server server(page, page_size);
    push(4);
    for (int i = 0; i < 4; ++i)
        server.take();
    front.header().rsp_event = 3;
    server.respond({0, 0});
    EXPECT_FALSE(server.publish());
    server.respond({1, 0});
    EXPECT_FALSE(server.publish());
    server.respond({2, 0});
    server.respond({3, 0});
    EXPECT_TRUE(server.publish());
    EXPECT_FALSE(server.publish()) << "nothing new";
}

TEST_F(RingTest, AskingForAnEventSeesRequestsThatCameMeanwhile)
{
    Server server(page, page_size);
    EXPECT_FALSE(server.ask_for_event());
    EXPECT_EQ(front.header().req_event, 1u);
    push(1);
    EXPECT_TRUE(server.ask_for_event());
}

TEST_F(RingTest, IndicesWrapAround)
{
    const u32 start = 0xfffffff0;
    front.produced = front.consumed = start;
    front.header() = {start, start + 1, start, start + 1, {}, {}};
    Server server(page, page_size);
    for (u32 round = 0; round < 40; ++round) {
        push(1);
        ASSERT_EQ(server.waiting(), 1u);
        server.respond({server.take().number, round});
        EXPECT_TRUE(server.publish());
        const auto response = front.pop();
        ASSERT_TRUE(response);
        EXPECT_EQ(response->number, start + round);
    }
}

TEST_F(RingTest, AnswersGoOutInTheOrderOfRequestsWhateverTheOrderOfWork)
{
    Ordered server(page, page_size);
    push(4);
    for (int i = 0; i < 4; ++i)
        server.take();
    for (const u32 index : {2u, 1u, 3u}) {
        server.finish(index, {index, 0});
        EXPECT_FALSE(server.publish());
        EXPECT_EQ(front.pop(), std::nullopt);
    }
    server.finish(0, {0, 0});
    (void)server.publish();
    for (u32 i = 0; i < 4; ++i)
        EXPECT_EQ(front.pop()->number, i);
}

bool operator==(const Response& a, const Response& b)
{
    return a.number == b.number && a.result == b.result;
}

// A backend killed before it published: its successor sees every unanswered request again, as the guest wrote it.
TEST_F(RingTest, ASuccessorTakesTheUnansweredRequestsAgain)
{
    push(6);
    {
        Ordered killed(page, page_size);
        killed.start();
        for (int i = 0; i < 5; ++i)
            killed.take();
        killed.finish(0, {0, 77});
        (void)killed.publish();
        killed.finish(3, {3, 77}); // done out of order: must not have touched the ring
    }
    Ordered successor(page, page_size);
    successor.resume();
    ASSERT_EQ(successor.waiting(), 5u);
    for (u32 i = 1; i < 6; ++i)
        EXPECT_EQ(successor.take().number, i);
}

// Killed between writing a response over its request and publishing it, or in the middle of writing it.
TEST_F(RingTest, ASuccessorFinishesAResponseThatWasBeingWritten)
{
    for (const std::size_t bytes_written : {0u, 1u, 4u, 8u}) {
        front = Front(page);
        front.init();
        push(4);
        std::byte request_1[sizeof(Response)];
        std::memcpy(request_1, front.slot(1), sizeof request_1);
        {
            Server killed(page, page_size);
            killed.start();
            killed.take();
            killed.take();
            killed.respond({0, 100});
            killed.respond({1, 101});
        }
        std::memcpy(front.slot(1) + bytes_written, request_1 + bytes_written, sizeof(Response) - bytes_written);
        Server successor(page, page_size);
        successor.resume();
        EXPECT_EQ(front.pop_all(), (std::vector<Response>{{0, 100}, {1, 101}}));
        EXPECT_EQ(successor.waiting(), 2u);
        EXPECT_EQ(successor.take().number, 2u);
    }
}

// Whatever a peer writes where the note is kept, the successor neither crashes nor leaves the ring's bounds.
TEST_F(RingTest, AForgedNoteIsHarmless)
{
    push(2);
    for (const u32 note : {3u, front.size + 1, 0x80000000u, 0xffffffffu}) {
        std::memcpy(page + ResponseNote::index, &note, sizeof note);
        Server successor(page, page_size);
        successor.resume();
        EXPECT_EQ(successor.waiting(), 2u) << note;
    }
}

TEST_F(RingTest, AFreshConnectionIgnoresAnOldNote)
{
    push(2);
    const u32 old = 1;
    std::memcpy(page + ResponseNote::index, &old, sizeof old);
    Server server(page, page_size);
    server.start();
    server.resume();
    EXPECT_EQ(server.waiting(), 2u);
}

TEST(GrantPool, APageIsMappedOnceAndKept)
{
    FakePeer peer(8);
    GrantPool pool(peer, 4);
    const auto first = pool.acquire(GrantRef(3));
    ASSERT_EQ(first.outcome, GrantPool::Outcome::mapped);
    pool.release(GrantRef(3));
    EXPECT_EQ(pool.acquire(GrantRef(3)).page, first.page);
    EXPECT_EQ(peer.mappings(), 1u);
}

TEST(GrantPool, APageInUseIsNotEvicted)
{
    FakePeer peer(8);
    GrantPool pool(peer, 2);
    pool.acquire(GrantRef(0));
    pool.acquire(GrantRef(1));
    EXPECT_EQ(pool.acquire(GrantRef(2)).outcome, GrantPool::Outcome::full);
    pool.release(GrantRef(1));
    EXPECT_EQ(pool.acquire(GrantRef(2)).outcome, GrantPool::Outcome::mapped);
    EXPECT_EQ(peer.mappings(), 2u);
}

TEST(GrantPool, TheOneUnusedForLongestGoesFirst)
{
    FakePeer peer(8);
    GrantPool pool(peer, 3);
    for (u32 ref : {0u, 1u, 2u}) {
        pool.acquire(GrantRef(ref));
        pool.release(GrantRef(ref));
    }
    const auto kept = pool.acquire(GrantRef(0));
    pool.release(GrantRef(0));
    pool.acquire(GrantRef(3));
    EXPECT_EQ(pool.acquire(GrantRef(0)).page, kept.page);
    EXPECT_EQ(pool.mapped(), 3u);
}

TEST(GrantPool, AReferenceThatIsNotGrantedIsRefused)
{
    FakePeer peer(8);
    GrantPool pool(peer, 3);
    EXPECT_EQ(pool.acquire(GrantRef(99)).outcome, GrantPool::Outcome::refused);
    EXPECT_EQ(pool.mapped(), 0u);
}

}
