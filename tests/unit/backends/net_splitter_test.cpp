// One link for several queues: flows stay together and in order, and nobody waits for a queue that has no room.
#include "backends/net/splitter.hpp"
#include "tests/unit/backends/net_rig.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>
#include <set>

namespace xylem::backends::net {

/// A UDP frame over IPv4 of `bytes`, from port `flow`; its number is behind the headers.
Bytes numbered_frame(u16 flow, u32 number, std::size_t bytes = 64)
{
    Bytes frame(bytes);
    const auto put = [&](std::size_t at, std::initializer_list<unsigned> values) {
        for (const unsigned value : values)
            frame[at++] = static_cast<std::byte>(value);
    };
    put(12, {0x08, 0x00, 0x45});
    put(23, {17, 0, 0, 10, 9, 0, 1, 10, 9, 0, 2});
    put(34, {flow / 256u, flow % 256u, 0x13, 0x88});
    std::memcpy(frame.data() + 42, &number, sizeof number);
    return frame;
}

struct NetSplitter : testing::Test {
    void start(std::size_t queues)
    {
        splitter = std::make_unique<Splitter>(loop, link, queues, [this](std::size_t queue) { ready.insert(queue); });
        for (std::size_t i = 0; i < queues; ++i)
            splitter->queue(i).listen(true);
    }
    void arrive(const Bytes& frame)
    {
        Bytes& whole = link.arrivals.emplace_back(sizeof(TapHeader));
        whole.insert(whole.end(), frame.begin(), frame.end());
    }
    /// The next frame of a queue; empty if there is none.
    Bytes take(std::size_t queue)
    {
        TapHeader header;
        Bytes frame(70000);
        frame.resize(splitter->queue(queue).receive(header, frame));
        return frame;
    }
    static u16 flow(const Bytes& frame) { return static_cast<u16>(static_cast<u16>(frame[34]) << 8 | u16(frame[35])); }
    static u32 number(const Bytes& frame)
    {
        u32 number = 0;
        std::memcpy(&number, frame.data() + 42, sizeof number);
        return number;
    }

    EventLoop loop;
    FakeLink link;
    std::unique_ptr<Splitter> splitter;
    std::set<std::size_t> ready;
};

TEST_F(NetSplitter, OneQueueHasTheLinkToItself)
{
    start(1);
    for (u32 i = 0; i < 3; ++i)
        arrive(numbered_frame(static_cast<u16>(i), i));
    for (u32 i = 0; i < 3; ++i)
        EXPECT_EQ(number(take(0)), i);
    EXPECT_TRUE(take(0).empty());
    splitter->queue(0).listen(false);
    EXPECT_FALSE(link.listening);
}

TEST_F(NetSplitter, EachFlowGoesToOneQueueInItsOrder)
{
    static constexpr std::size_t queues = 3;
    static constexpr u32 frames = 2000;
    start(queues);
    std::mt19937 random(7);
    std::map<u16, std::size_t> place;
    std::map<u16, u32> last;
    std::vector<u32> taken(queues);
    u32 sent = 0;
    u32 received = 0;
    for (int idle = 0; idle < 100 && received < frames;) {
        for (u32 burst = random() % 20; burst > 0 && sent < frames; --burst)
            arrive(numbered_frame(static_cast<u16>(random() % 50), ++sent));
        const std::size_t queue = random() % queues;
        const Bytes frame = take(queue);
        idle = frame.empty() ? idle + 1 : 0;
        if (frame.empty())
            continue;
        ++received;
        ++taken[queue];
        EXPECT_EQ(place.emplace(flow(frame), queue).first->second, queue);
        EXPECT_GT(number(frame), last[flow(frame)]);
        last[flow(frame)] = number(frame);
    }
    EXPECT_EQ(received, frames);
    for (const u32 share : taken)
        EXPECT_GT(share, frames / 10);
}

TEST_F(NetSplitter, AQueueWithoutRoomHoldsUpNobody)
{
    start(2);
    splitter->queue(0).listen(false);
    u32 of_the_other = 0;
    for (u32 i = 1; i <= 4000; ++i) {
        arrive(numbered_frame(static_cast<u16>(i % 64), i, 1000));
        of_the_other += !take(1).empty();
    }
    EXPECT_GT(of_the_other, 1000u);
    EXPECT_TRUE(link.listening);
    u32 waited = 0;
    for (u32 before = 0; true; ++waited) {
        const Bytes frame = take(0);
        if (frame.empty())
            break;
        EXPECT_GT(number(frame), before); // the oldest were kept
        before = number(frame);
        EXPECT_LT(before, 2000u);
    }
    EXPECT_GT(waited, 100u);
    EXPECT_LE(waited, 600u);
}

TEST_F(NetSplitter, AQueueIsToldOfWhatAnotherLaysDownForIt)
{
    start(2);
    for (u32 i = 0; i < 100; ++i)
        arrive(numbered_frame(static_cast<u16>(i), i));
    while (!take(0).empty()) {
    }
    EXPECT_TRUE(ready.empty()); // not from within another's work
    loop.turn(std::chrono::milliseconds(0));
    EXPECT_TRUE(ready.contains(1));

    splitter->queue(1).listen(false);
    ready.clear();
    loop.turn(std::chrono::milliseconds(0));
    EXPECT_FALSE(ready.contains(1));
    splitter->queue(1).listen(true); // its guest has room again
    loop.turn(std::chrono::milliseconds(0));
    EXPECT_TRUE(ready.contains(1));
}

TEST_F(NetSplitter, ALongRunOfAnothersFramesEndsATurn)
{
    start(2);
    const std::size_t owner = flow_of(numbered_frame(1, 0)) % 2;
    for (u32 i = 0; i < 1000; ++i)
        arrive(numbered_frame(1, i));
    EXPECT_TRUE(take(1 - owner).empty());
    EXPECT_GT(link.arrivals.size(), 0u);
    loop.turn(std::chrono::milliseconds(0));
    EXPECT_EQ(ready, (std::set<std::size_t>{0, 1}));
    splitter.reset(); // with work put off
    loop.turn(std::chrono::milliseconds(0));
    EXPECT_FALSE(link.listening);
}

}
