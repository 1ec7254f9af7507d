// The block backend's ring against a simulated frontend: data, errors, order, hostile rings, kill and resume.
#include "tests/unit/backends/block_rig.hpp"
#include "tests/unit/backends/watched_page.hpp"

namespace xylem::backends::block {

struct BlockQueue : testing::TestWithParam<Grants> {
    Rig rig{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Grants, BlockQueue, testing::Values(Grants::copied, Grants::persistent), [](const auto& how) {
    return how.param == Grants::copied ? std::string("copied") : std::string("persistent");
});

TEST_P(BlockQueue, WhatIsWrittenIsReadBack)
{
    std::memset(rig.peer.page(5), 0x5a, page_size);
    const auto written = rig.ask(Rig::request(BlkifOp::write, 7, 100, {{5, 2, 5}}));
    EXPECT_EQ(written.id, 7u);
    EXPECT_EQ(written.operation, BlkifOp::write);
    EXPECT_EQ(written.status, BlkifStatus::okay);
    EXPECT_EQ(rig.disk.data[100 * 512], std::byte{0x5a});
    EXPECT_EQ(rig.disk.data[104 * 512], std::byte{0});
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::read, 8, 100, {{6, 0, 3}})).status, BlkifStatus::okay);
    EXPECT_EQ(std::memcmp(rig.peer.page(6), rig.peer.page(5), 2048), 0);
    EXPECT_EQ(rig.peer.page(6)[2048], std::byte{0});
}

TEST_P(BlockQueue, AFailingDiskGivesAnError)
{
    rig.disk.failure = EIO;
    for (const BlkifOp operation : {BlkifOp::read, BlkifOp::write})
        EXPECT_EQ(rig.ask(Rig::request(operation, 1, 0, {{5, 0, 7}})).status, BlkifStatus::error);
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::flush_diskcache, 1, 0, {})).status, BlkifStatus::error);
    rig.disk.failure = 0;
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::read, 1, 0, {{5, 0, 7}})).status, BlkifStatus::okay);
}

TEST_P(BlockQueue, APageThatIsNotGrantedGivesAnError)
{
    rig.peer.revoke(9);
    for (const BlkifOp operation : {BlkifOp::read, BlkifOp::write})
        for (const u32 ref : {9u, 100000u, 0xffffffffu})
            EXPECT_EQ(rig.ask(Rig::request(operation, 1, 0, {{5, 0, 7}, {ref, 0, 7}})).status, BlkifStatus::error);
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::read, 1, 0, {{5, 0, 7}})).status, BlkifStatus::okay);
}

TEST_P(BlockQueue, AReadOnlyDiskRefusesWrites)
{
    rig.disk.shape.access = Access::read_only;
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::write, 1, 0, {{5, 0, 7}})).status, BlkifStatus::error);
    EXPECT_TRUE(rig.disk.log.empty());
}

TEST_P(BlockQueue, AnUnknownOperationIsNotSupported)
{
    EXPECT_EQ(rig.ask(Rig::request(static_cast<BlkifOp>(99), 3, 0, {})).status, BlkifStatus::eopnotsupp);
}

TEST_P(BlockQueue, AnIndirectRequestMovesUpToItsAdvertisedSegments)
{
    auto* descriptors = reinterpret_cast<BlkifRequestSegment*>(rig.peer.page(1));
    for (u32 i = 0; i < max_indirect_segments; ++i) {
        descriptors[i] = {10 + i, 0, 7};
        std::memset(rig.peer.page(10 + i), static_cast<int>(i + 1), page_size);
    }
    BlkifRequestIndirect raw{};
    raw.operation = BlkifOp::indirect;
    raw.indirect_op = BlkifOp::write;
    raw.nr_segments = max_indirect_segments;
    raw.id = 5;
    raw.indirect_grefs[0] = 1;
    BlkifRequest request{};
    std::memcpy(&request, &raw, sizeof raw);
    const auto response = rig.ask(request);
    EXPECT_EQ(response.operation, BlkifOp::write);
    EXPECT_EQ(response.status, BlkifStatus::okay);
    for (u32 i = 0; i < max_indirect_segments; ++i)
        EXPECT_EQ(rig.disk.data[i * page_size], std::byte(i + 1));
}

// XSA-155: the frontend changes each word of a request, and of its list of segments, once it has been read.
TEST_P(BlockQueue, NoWordOfARequestIsReadTwice)
{
    std::memset(rig.peer.page(5), 0x5a, page_size);
    rig.front.push(Rig::request(BlkifOp::write, 7, 100, {{5, 2, 5}}));
    {
        test::WatchedPage ring(rig.peer.read_at(0), sizeof(abi::io::RingHeader));
        rig.queue->serve();
        rig.settle();
        EXPECT_GT(ring.words_read(), 8u);
        EXPECT_EQ(ring.words_read_again(), 0u);
    }
    EXPECT_EQ(rig.front.pop()->id, 7u);
    EXPECT_EQ(rig.disk.data[100 * 512], std::byte{0x5a});
    EXPECT_EQ(rig.disk.data[104 * 512], std::byte{0});
}

// What is mapped from a grant must not be under I/O when we are killed (Geometry::holds_pages).
TEST(BlockQueueOnDirectDisk, TheDiskHoldsNoPageOfTheGuest)
{
    Rig rig{Grants::persistent};
    rig.disk.shape.holds_pages = true;
    rig.disk.deferring = true;
    std::memset(rig.peer.page(6), 0x11, page_size);
    rig.front.push(Rig::request(BlkifOp::write, 1, 0, {{6, 0, 7}}));
    rig.front.push(Rig::request(BlkifOp::read, 2, 8, {{7, 1, 2}}));
    rig.queue->serve();
    std::memset(rig.peer.page(6), 0x22, page_size); // too late to reach the disk
    ASSERT_EQ(rig.disk.waiting.size(), 2u);
    std::memset(rig.disk.data.data() + 8 * 512, 0x33, 1024);
    rig.disk.perform_waiting();
    rig.settle();
    EXPECT_EQ(rig.disk.data[100], std::byte{0x11});
    EXPECT_EQ(rig.peer.page(7)[512], std::byte{0x33});
    EXPECT_EQ(rig.front.pop()->status, BlkifStatus::okay);
    EXPECT_EQ(rig.front.pop()->status, BlkifStatus::okay);
}

// A list that is copied is copied by the hypervisor; one that is mapped is read by us.
TEST(BlockIndirect, NoWordOfAMappedListIsReadTwice)
{
    Rig rig{Grants::persistent};
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::write, 1, 0, {{1, 0, 7}})).status, BlkifStatus::okay); // maps page 1
    auto* descriptors = reinterpret_cast<BlkifRequestSegment*>(rig.peer.page(1));
    for (u32 i = 0; i < 20; ++i)
        descriptors[i] = {10 + i, 0, 7};
    BlkifRequestIndirect raw{};
    raw.operation = BlkifOp::indirect;
    raw.indirect_op = BlkifOp::write;
    raw.nr_segments = 20;
    raw.indirect_grefs[0] = 1;
    BlkifRequest request{};
    std::memcpy(&request, &raw, sizeof raw);
    rig.front.push(request);
    test::WatchedPage list(rig.peer.read_at(1), 0);
    rig.queue->serve();
    rig.settle();
    EXPECT_GT(list.words_read(), 0u);
    EXPECT_EQ(list.words_read_again(), 0u);
    EXPECT_EQ(rig.front.pop()->status, BlkifStatus::okay);
}

// XSA-403: what lies around a request in a granted page, and between the words of a response, is not ours to write.
TEST_P(BlockQueue, AReadWritesNothingButItsSectors)
{
    std::memset(rig.disk.data.data(), 0x77, rig.disk.data.size());
    std::memset(rig.peer.page(6), 0xa5, page_size);
    EXPECT_EQ(rig.ask(Rig::request(BlkifOp::read, 8, 100, {{6, 2, 3}})).status, BlkifStatus::okay);
    for (std::size_t i = 0; i < page_size; ++i)
        ASSERT_EQ(rig.peer.page(6)[i], i / 512 == 2 || i / 512 == 3 ? std::byte{0x77} : std::byte{0xa5}) << i;
    const std::byte* response = rig.front.slot(0);
    for (const std::size_t slack : {9, 12, 13, 14, 15})
        EXPECT_EQ(response[slack], std::byte{0}) << slack;
}

TEST_P(BlockQueue, AnswersThatAreReadyTogetherCostOneEvent)
{
    for (u64 i = 0; i < 16; ++i)
        rig.front.push(Rig::request(BlkifOp::read, i, i * 8, {{static_cast<u32>(5 + i), 0, 7}}));
    rig.queue->serve();
    EXPECT_EQ(rig.events, 1u);
    EXPECT_EQ(rig.front.pop_all().size(), 16u);
}

TEST_P(BlockQueue, ABarrierWaitsForThoseBeforeItAndHoldsUpThoseAfterIt)
{
    rig.disk.deferring = true;
    rig.front.push(Rig::request(BlkifOp::write, 0, 0, {{5, 0, 7}}));
    rig.front.push(Rig::request(BlkifOp::write_barrier, 1, 8, {{6, 0, 7}}));
    rig.front.push(Rig::request(BlkifOp::write, 2, 16, {{7, 0, 7}}));
    rig.queue->serve();
    EXPECT_EQ(rig.disk.waiting.size(), 1u);
    for (const DiskJob::Kind next : {DiskJob::Kind::write, DiskJob::Kind::flush, DiskJob::Kind::write}) {
        rig.disk.perform_waiting();
        rig.settle();
        ASSERT_EQ(rig.disk.waiting.size(), 1u);
        EXPECT_EQ(rig.disk.waiting[0]->kind, next);
    }
    rig.disk.perform_waiting();
    rig.settle();
    EXPECT_EQ(rig.front.pop_all().size(), 3u);
}

// What is beyond the limit waits in the ring, and comes when it may; nobody has to send an event again.
TEST_P(BlockQueue, RequestsBeyondTheLimitWait)
{
    const auto start = Budget::Clock::now();
    rig.limits = Limits(Budget(1, std::chrono::milliseconds(20), 2, start), std::nullopt);
    for (u64 i = 0; i < 6; ++i)
        rig.front.push(Rig::request(BlkifOp::read, i, i * 8, {{static_cast<u32>(5 + i), 0, 7}}));
    rig.queue->serve();
    EXPECT_LE(rig.disk.log.size(), 3u); // two, unless the machine was slow
    for (int i = 0; i < 1000 && rig.disk.log.size() < 6; ++i)
        rig.loop.turn(std::chrono::milliseconds(10));
    EXPECT_GE(Budget::Clock::now() - start, std::chrono::milliseconds(80));
    rig.settle();
    EXPECT_EQ(rig.front.pop_all().size(), 6u);
}

// More data in flight than there are buffers: requests wait, none is lost, memory stays bounded.
TEST_P(BlockQueue, RequestsWaitForBuffers)
{
    rig.disk.deferring = true;
    auto* descriptors = reinterpret_cast<BlkifRequestSegment*>(rig.peer.page(1));
    for (u32 i = 0; i < max_indirect_segments; ++i)
        descriptors[i] = {10 + i, 0, 7};
    BlkifRequestIndirect raw{};
    raw.operation = BlkifOp::indirect;
    raw.indirect_op = BlkifOp::read;
    raw.nr_segments = max_indirect_segments;
    raw.indirect_grefs[0] = 1;
    BlkifRequest request{};
    std::memcpy(&request, &raw, sizeof raw);
    for (u32 i = 0; i < rig.front.size; ++i)
        rig.front.push(request);
    rig.queue->serve();
    std::size_t answered = 0;
    for (int i = 0; i < 100 && answered < rig.front.size; ++i) {
        rig.disk.perform_waiting();
        rig.settle();
        answered += rig.front.pop_all().size();
    }
    EXPECT_EQ(answered, rig.front.size);
}

TEST_P(BlockQueue, ARingThatOverflowsClosesTheDevice)
{
    rig.front.header().req_prod = rig.front.size + 1;
    rig.queue->serve();
    rig.settle();
    EXPECT_TRUE(rig.broken);
    EXPECT_TRUE(rig.disk.log.empty());
    rig.front.header().req_prod = 1;
    rig.queue->serve();
    EXPECT_TRUE(rig.disk.log.empty()) << "a broken ring stays closed";
}

TEST_P(BlockQueue, StoppingFinishesWhatIsInServiceAndTakesNoMore)
{
    rig.disk.deferring = true;
    rig.front.push(Rig::request(BlkifOp::read, 0, 0, {{5, 0, 7}}));
    rig.queue->serve();
    rig.queue->stop_taking();
    rig.front.push(Rig::request(BlkifOp::read, 1, 0, {{6, 0, 7}}));
    rig.queue->serve();
    EXPECT_FALSE(rig.queue->idle());
    EXPECT_EQ(rig.idle_calls, 0u);
    rig.disk.perform_waiting();
    rig.settle();
    EXPECT_TRUE(rig.queue->idle());
    EXPECT_EQ(rig.idle_calls, 1u);
    EXPECT_EQ(rig.front.pop_all().size(), 1u);
}

/// A frontend that keeps a model of the disk, and knows for each request in flight what a read must bring.
class Workload {
public:
    Workload(Rig& rig, u32 seed) : rig_(rig), random_(seed), model_(disk_bytes / 512) {}

    void run(unsigned steps, bool with_kills)
    {
        rig_.disk.deferring = true;
        for (unsigned step = 0; step < steps; ++step) {
            while (!rig_.front.full() && pick(3) != 0)
                issue();
            rig_.queue->serve();
            if (pick(2) == 0)
                rig_.disk.perform_waiting(&random_);
            if (with_kills && pick(8) == 0)
                rig_.kill_and_resume();
            if (pick(2) == 0)
                rig_.settle();
            collect();
        }
        for (int i = 0; i < 200 && !in_flight_.empty(); ++i) {
            rig_.queue->serve();
            rig_.disk.perform_waiting(&random_);
            rig_.settle();
            collect();
        }
        EXPECT_TRUE(in_flight_.empty()) << in_flight_.size() << " requests were never answered";
        for (u64 sector = 0; sector < model_.size(); ++sector)
            ASSERT_EQ(static_cast<u8>(rig_.disk.data[sector * 512]), model_[sector]) << "sector " << sector;
    }

private:
    struct Pending {
        BlkifOp operation;
        u64 sector;
        u32 sectors;
        u32 page;
        u8 fill;
    };

    u32 pick(u32 below) { return static_cast<u32>(random_() % below); }

    /// Each request uses a page of its own and sectors that no other in flight touches, as a block layer does.
    void issue()
    {
        const u32 slot = pick(32);
        if (in_flight_.contains(slot))
            return;
        Pending next{pick(2) ? BlkifOp::read : BlkifOp::write, slot * 64 + pick(56), 1 + pick(8), 2 + slot,
                     static_cast<u8>(random_())};
        if (pick(16) == 0)
            next = {BlkifOp::flush_diskcache, 0, 0, 0, 0};
        std::vector<BlkifRequestSegment> segments;
        if (next.sectors > 0)
            segments.push_back({next.page, 0, static_cast<u8>(next.sectors - 1)});
        if (next.operation == BlkifOp::write)
            std::memset(rig_.peer.page(next.page), next.fill, next.sectors * 512);
        if (next.operation == BlkifOp::read)
            std::memset(rig_.peer.page(next.page), 0xee, page_size);
        in_flight_[slot] = next;
        rig_.front.push(Rig::request(next.operation, slot, next.sector, segments));
    }

    void collect()
    {
        while (const auto response = rig_.front.pop()) {
            const auto found = in_flight_.find(static_cast<u32>(response->id));
            ASSERT_NE(found, in_flight_.end()) << "answered twice, or never asked: " << response->id;
            const Pending& done = found->second;
            ASSERT_EQ(response->status, BlkifStatus::okay);
            ASSERT_EQ(response->operation, done.operation);
            for (u32 i = 0; i < done.sectors; ++i) {
                if (done.operation == BlkifOp::write)
                    model_[done.sector + i] = done.fill;
                else
                    ASSERT_EQ(static_cast<u8>(rig_.peer.page(done.page)[i * 512]), model_[done.sector + i]);
            }
            in_flight_.erase(found);
        }
    }

    Rig& rig_;
    std::mt19937 random_;
    std::vector<u8> model_;
    std::map<u32, Pending> in_flight_;
};

TEST_P(BlockQueue, ARandomLoadReadsWhatItWrote)
{
    for (u32 seed = 1; seed <= 5; ++seed) {
        Rig fresh(GetParam());
        Workload(fresh, seed).run(1000, false);
    }
}

TEST_P(BlockQueue, KillsLoseAndDoubleNoRequest)
{
    for (u32 seed = 1; seed <= 10; ++seed) {
        Rig fresh(GetParam());
        Workload(fresh, seed).run(1000, true);
    }
}

// A frontend that writes anything anywhere in the ring: errors or a closed device, never more answers than requests,
// and not a byte outside what it granted (the sanitizers watch).
TEST_P(BlockQueue, AHostileRingIsHarmless)
{
    for (u32 seed = 1; seed <= 200; ++seed) {
        Rig fresh(GetParam());
        std::mt19937 random(seed);
        fresh.disk.deferring = random() % 2;
        for (int step = 0; step < 60 && !fresh.broken; ++step) {
            BlkifRequest raw{};
            for (std::size_t i = 0; i < sizeof raw; ++i)
                reinterpret_cast<u8*>(&raw)[i] = static_cast<u8>(random());
            if (random() % 4) { // close to valid
                raw.operation = static_cast<BlkifOp>(random() % 8);
                raw.nr_segments = static_cast<u8>(random() % 14);
                raw.sector_number = random() % 2100;
                for (auto& segment : raw.seg)
                    segment = {static_cast<u32>(random() % (Rig::pages + 20)), static_cast<u8>(random() % 9),
                               static_cast<u8>(random() % 9)};
            }
            if (!fresh.front.full())
                fresh.front.push(raw);
            if (random() % 40 == 0)
                fresh.front.header().req_prod = static_cast<u32>(random());
            if (random() % 10 == 0)
                reinterpret_cast<u8*>(fresh.front.shared)[random() % page_size] = static_cast<u8>(random());
            fresh.queue->serve();
            fresh.disk.perform_waiting(&random);
            fresh.settle();
            if (random() % 16 == 0)
                fresh.kill_and_resume();
            fresh.front.consumed = fresh.front.header().rsp_prod;
        }
    }
}

}
