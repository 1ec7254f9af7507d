// The disk's frontend against a backend in the test: one that serves, one that goes and comes back, one that lies.
#include "backends/lib/ring.hpp"
#include "frontends/block/disk.hpp"
#include "tests/unit/frontends/fake_kernel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace xylem::frontends::block {
namespace {

using abi::io::BlkifOp;
using abi::io::BlkifStatus;
using test::FakeDevice;
using test::FakeKernel;
using Kind = IoRequest::Kind;
using Outcome = IoRequest::Outcome;

constexpr unsigned long disk_sectors = 4096;

struct FakeBackend {
    using Ring = backends::ServerRing<abi::io::BlkifRequest, abi::io::BlkifResponse>;

    FakeBackend(FakeKernel& k, FakeDevice& d) : kernel(k), device(d), content(disk_sectors * 512)
    {
        for (size_t i = 0; i < content.size(); ++i)
            content[i] = static_cast<u8>(i * 7 + i / 512);
    }

    void connect(const std::string& prefix = "")
    {
        ring = std::make_unique<Ring>(
            reinterpret_cast<std::byte*>(kernel.granted(device.front_number(prefix + "ring-ref"))), page_size);
        port = device.front_number(prefix + "event-channel");
        device.put_back("sectors", std::to_string(disk_sectors));
        device.put_back("sector-size", "512");
        device.put_back("info", "0");
    }

    /// Serves what is asked, as a backend would.
    void serve()
    {
        while (ring->waiting().value() > 0) {
            requests.push_back(ring->take());
            ring->respond(answer(requests.back()));
        }
        if (ring->publish())
            kernel.send_event(port);
        if (ring->ask_for_event())
            return; // the frontend has asked for more already: that is for the next turn
    }

    abi::io::BlkifResponse answer(const abi::io::BlkifRequest& request)
    {
        if (request.operation != BlkifOp::indirect) {
            for (u8 i = 0, sector = 0; i < request.nr_segments; ++i)
                sector =
                    static_cast<u8>(sector + move(request.operation, request.sector_number + sector, request.seg[i]));
            return {request.id, request.operation, BlkifStatus::okay};
        }
        abi::io::BlkifRequestIndirect indirect;
        std::memcpy(static_cast<void*>(&indirect), &request, sizeof indirect);
        ++indirect_requests;
        u64 sector = indirect.sector_number;
        for (u16 i = 0; i < indirect.nr_segments; ++i) {
            abi::io::BlkifRequestSegment segment;
            std::memcpy(static_cast<void*>(&segment), kernel.granted(indirect.indirect_grefs[0]) + i * 8, 8);
            sector += move(indirect.indirect_op, sector, segment);
        }
        return {indirect.id, indirect.indirect_op, BlkifStatus::okay};
    }

    unsigned move(BlkifOp operation, u64 sector, const abi::io::BlkifRequestSegment& segment)
    {
        const unsigned sectors = segment.last_sect - segment.first_sect + 1u;
        u8* page = kernel.granted(segment.gref) + segment.first_sect * 512;
        u8* disk = content.data() + sector * 512;
        operation == BlkifOp::read ? std::memcpy(page, disk, sectors * 512) : std::memcpy(disk, page, sectors * 512);
        return sectors;
    }

    FakeKernel& kernel;
    FakeDevice& device;
    std::vector<u8> content;
    std::unique_ptr<Ring> ring;
    unsigned long port = 0;
    std::vector<abi::io::BlkifRequest> requests;
    unsigned indirect_requests = 0;
};

class DiskTest : public testing::Test {
protected:
    void connect(const std::string& prefix = "")
    {
        ASSERT_TRUE(disk.begin().ok());
        device.back_state(2);
        ASSERT_EQ(device.front_at("state"), "3");
        backend.connect(prefix);
        device.back_state(4);
        ASSERT_TRUE(disk.is_connected());
        ASSERT_EQ(device.front_at("state"), "4");
    }
    void TearDown() override
    {
        disk.close();
        device.back_state(6);
        EXPECT_TRUE(disk.is_closed());
        EXPECT_EQ(kernel.pages_in_use(), pages_lost);
    }
    IoRequest request(Kind kind, u64 sector, std::vector<u8>& data)
    {
        IoRequest made;
        made.kind = kind;
        made.sector = sector;
        made.data = data.data();
        made.bytes = data.size();
        return made;
    }
    Outcome perform(IoRequest& asked)
    {
        disk.submit(asked);
        for (int turns = 0; asked.outcome == Outcome::pending && turns < 100; ++turns)
            backend.serve();
        return asked.outcome;
    }
    Outcome perform(Kind kind, u64 sector, std::vector<u8>& data)
    {
        IoRequest asked = request(kind, sector, data);
        return perform(asked);
    }
    /// A request that is under way, with its ring's header to lie in.
    abi::io::RingHeader& lie_about(IoRequest& asked)
    {
        disk.submit(asked);
        return *reinterpret_cast<abi::io::RingHeader*>(kernel.granted(device.front_number("ring-ref")));
    }
    /// The backend answers the oldest request with this.
    void answer(const abi::io::BlkifResponse& response)
    {
        backend.ring->take();
        backend.ring->respond(response);
        EXPECT_TRUE(backend.ring->publish());
        kernel.send_event(backend.port);
        kernel.run();
    }
    void expect_broken(IoRequest& asked)
    {
        kernel.run();
        EXPECT_NE(disk.complaint(), nullptr);
        EXPECT_EQ(device.front_at("state"), "5");
        device.back_state(5);
        EXPECT_EQ(asked.outcome, Outcome::failed);
        EXPECT_TRUE(disk.is_over());
        IoRequest later = request(Kind::read, 0, one_page);
        disk.submit(later);
        EXPECT_EQ(later.outcome, Outcome::failed);
    }

    FakeKernel kernel;
    FakeDevice device{kernel, "vbd", 51712};
    FakeBackend backend{kernel, device};
    Disk disk{kernel, 51712, {}};
    std::vector<u8> one_page = std::vector<u8>(4096);
    size_t pages_lost = 0;
};

TEST_F(DiskTest, ReadsAndWritesAnySizeAtAnySector)
{
    device.put_back("feature-flush-cache", "1");
    connect();
    for (const auto& [sector, sectors] :
         {std::pair{0u, 1u}, {3u, 8u}, {100u, 9u}, {17u, 88u}, {5u, 1000u}, {4095u, 1u}}) {
        std::vector<u8> data(sectors * 512);
        ASSERT_EQ(perform(Kind::read, sector, data), Outcome::done);
        EXPECT_EQ(std::memcmp(data.data(), backend.content.data() + sector * 512, data.size()), 0) << sectors;
        for (u8& byte : data)
            byte = static_cast<u8>(byte ^ 0x5a);
        ASSERT_EQ(perform(Kind::write, sector, data), Outcome::done);
        EXPECT_EQ(std::memcmp(data.data(), backend.content.data() + sector * 512, data.size()), 0) << sectors;
    }
    std::vector<u8> none;
    EXPECT_EQ(perform(Kind::flush, 0, none), Outcome::done);
    EXPECT_EQ(backend.indirect_requests, 0u); // none was offered
    EXPECT_EQ(disk.segments(), 11u);
}

TEST_F(DiskTest, UsesIndirectRequestsWhereTheBackendTakesThem)
{
    device.put_back("feature-max-indirect-segments", "256");
    connect();
    std::vector<u8> data(400 * 512);
    ASSERT_EQ(perform(Kind::read, 8, data), Outcome::done);
    EXPECT_EQ(std::memcmp(data.data(), backend.content.data() + 8 * 512, data.size()), 0);
    EXPECT_EQ(backend.indirect_requests, 2u);
    EXPECT_EQ(backend.requests.size(), 2u);
    EXPECT_EQ(disk.segments(), most_segments);
}

TEST_F(DiskTest, ManyRequestsAtOnceWaitForRoomAndAllEnd)
{
    connect();
    std::vector<std::vector<u8>> data(200, std::vector<u8>(20 * 512));
    std::vector<IoRequest> requests;
    for (unsigned i = 0; i < 200; ++i)
        requests.push_back(request(Kind::read, i * 20, data[i]));
    for (IoRequest& asked : requests)
        disk.submit(asked);
    for (int turns = 0; turns < 200; ++turns)
        backend.serve();
    for (unsigned i = 0; i < 200; ++i) {
        EXPECT_EQ(requests[i].outcome, Outcome::done);
        EXPECT_EQ(std::memcmp(data[i].data(), backend.content.data() + i * 20 * 512, data[i].size()), 0);
    }
}

TEST_F(DiskTest, RefusesWhatCannotBe)
{
    connect();
    std::vector<u8> odd(100), large(disk_sectors * 512 + 512), none;
    EXPECT_EQ(perform(Kind::read, 0, odd), Outcome::failed);
    EXPECT_EQ(perform(Kind::read, 0, large), Outcome::failed);
    EXPECT_EQ(perform(Kind::read, 0, none), Outcome::failed);
    EXPECT_EQ(perform(Kind::read, disk_sectors, one_page), Outcome::failed);
    EXPECT_EQ(perform(Kind::read, ~u64{0} - 3, one_page), Outcome::failed);
    EXPECT_EQ(perform(Kind::flush, 0, none), Outcome::unsupported);
    EXPECT_EQ(perform(Kind::discard, 0, one_page), Outcome::unsupported);
    EXPECT_TRUE(backend.requests.empty());
}

TEST_F(DiskTest, NeverWritesToAReadOnlyDisk)
{
    ASSERT_TRUE(disk.begin().ok());
    device.back_state(2);
    backend.connect();
    device.put_back("info", "4");
    device.back_state(4);
    EXPECT_TRUE(disk.geometry().read_only);
    EXPECT_EQ(perform(Kind::write, 0, one_page), Outcome::failed);
    EXPECT_EQ(perform(Kind::read, 0, one_page), Outcome::done);
}

TEST_F(DiskTest, OffersQueuesAndLargeRingsWhereTheBackendHasThem)
{
    device.put_back("multi-queue-max-queues", "8");
    device.put_back("max-ring-page-order", "3");
    Disk wide(kernel, 51712, {.queues = 3, .ring_page_order = 2, .data_pages = 16});
    ASSERT_TRUE(wide.begin().ok());
    device.back_state(2);
    EXPECT_EQ(device.front_at("multi-queue-num-queues"), "3");
    EXPECT_EQ(device.front_at("ring-page-order"), "2");
    for (const std::string queue : {"queue-0/", "queue-1/", "queue-2/"}) {
        EXPECT_TRUE(kernel.has_port(device.front_number(queue + "event-channel")));
        for (const std::string page : {"0", "1", "2", "3"})
            EXPECT_TRUE(kernel.is_granted(device.front_number(queue + "ring-ref" + page)));
    }
    EXPECT_EQ(device.front_at("ring-ref"), "(none)");
    EXPECT_EQ(device.front_at("protocol"), "x86_64-abi");
    wide.close();
    device.back_state(6);
}

// ---- Backends that go

TEST_F(DiskTest, AsksAgainWhatWasInServiceWhenTheBackendBeginsAnew)
{
    connect();
    std::vector<u8> large(100 * 512);
    IoRequest first = request(Kind::read, 0, large), second = request(Kind::read, 200, one_page);
    disk.submit(first);
    disk.submit(second);
    backend.ring.reset();
    device.back_state(2); // a new backend: the old one's rings are nobody's
    EXPECT_EQ(first.outcome, Outcome::pending);
    ASSERT_EQ(device.front_at("state"), "3");
    backend.connect();
    device.back_state(4);
    for (int turns = 0; turns < 5; ++turns)
        backend.serve();
    EXPECT_EQ(first.outcome, Outcome::done);
    EXPECT_EQ(second.outcome, Outcome::done);
    EXPECT_EQ(std::memcmp(large.data(), backend.content.data(), large.size()), 0);
    EXPECT_EQ(std::memcmp(one_page.data(), backend.content.data() + 200 * 512, 4096), 0);
    ASSERT_GE(backend.requests.size(), 2u);
    EXPECT_EQ(backend.requests[0].sector_number, 0u); // oldest first
}

TEST_F(DiskTest, ComesBackAfterABackendThatClosedWhileTheDeviceIsOnline)
{
    connect();
    IoRequest asked = request(Kind::read, 0, one_page);
    disk.submit(asked);
    device.back_state(5);
    EXPECT_TRUE(disk.is_closed() && !disk.is_over());
    device.back_state(6);
    EXPECT_EQ(device.front_at("state"), "1");
    device.back_state(2);
    backend.connect();
    device.back_state(4);
    backend.serve();
    EXPECT_EQ(asked.outcome, Outcome::done);
}

TEST_F(DiskTest, EndsForGoodWhenTheToolstackWantsIt)
{
    connect();
    IoRequest asked = request(Kind::read, 0, one_page);
    disk.submit(asked);
    device.put_back("online", "0");
    device.back_state(5);
    EXPECT_EQ(device.front_at("state"), "6");
    EXPECT_TRUE(disk.is_over());
    device.back_state(6);
    EXPECT_EQ(device.front_at("state"), "6");
    IoRequest later = request(Kind::read, 0, one_page);
    disk.submit(later);
    EXPECT_EQ(later.outcome, Outcome::failed);
}

TEST_F(DiskTest, GivesUpOnABackendThatRefusesAgainAndAgain)
{
    ASSERT_TRUE(disk.begin().ok());
    for (int tries = 0; tries < 5; ++tries) {
        device.back_state(2);
        device.back_state(5);
        device.back_state(6);
    }
    EXPECT_TRUE(disk.is_over());
    EXPECT_EQ(device.front_at("state"), "6");
}

// A page that the old backend holds on to is never used again, and never taken from the kernel's pages for another use.
TEST_F(DiskTest, LeavesPagesToABackendThatDoesNotLetGo)
{
    connect();
    ASSERT_EQ(perform(Kind::read, 0, one_page), Outcome::done);
    kernel.hold(backend.requests[0].seg[0].gref);
    const size_t before = kernel.pages_in_use();
    disk.close();
    device.back_state(6);
    EXPECT_TRUE(kernel.is_granted(backend.requests[0].seg[0].gref));
    EXPECT_LT(kernel.pages_in_use(), before);
    pages_lost = kernel.pages_in_use();
    EXPECT_GT(pages_lost, 0u);
}

TEST_F(DiskTest, HoldsNothingWhenMemoryRunsOut)
{
    kernel.pages_left = 40;
    ASSERT_TRUE(disk.begin().ok());
    device.back_state(2);
    EXPECT_TRUE(disk.is_closed());
    EXPECT_EQ(kernel.pages_in_use(), 0u);
    EXPECT_EQ(kernel.grants_in_use(), 0u);
}

// ---- Backends that lie

TEST_F(DiskTest, ClosesWhenTheResponseIndexRunsAhead)
{
    connect();
    IoRequest asked = request(Kind::read, 0, one_page);
    lie_about(asked).rsp_prod = 2; // one was asked
    kernel.send_event(backend.port);
    expect_broken(asked);
}

TEST_F(DiskTest, ClosesWhenAnIdIsOutOfTheRing)
{
    connect();
    IoRequest asked = request(Kind::read, 0, one_page);
    lie_about(asked);
    answer({1000, BlkifOp::read, BlkifStatus::okay});
    expect_broken(asked);
}

TEST_F(DiskTest, ClosesWhenAnIdIsNotInService)
{
    connect();
    IoRequest asked = request(Kind::read, 0, one_page);
    lie_about(asked);
    answer({5, BlkifOp::read, BlkifStatus::okay});
    expect_broken(asked);
}

TEST_F(DiskTest, ClosesWhenTheOperationIsAnother)
{
    connect();
    IoRequest asked = request(Kind::read, 0, one_page);
    lie_about(asked);
    answer({0, BlkifOp::write, BlkifStatus::okay});
    expect_broken(asked);
}

TEST_F(DiskTest, ClosesWhenTheDiskCannotBe)
{
    for (const auto& [node, value] : {std::pair{"sector-size", "513"},
                                      {"sector-size", "0"},
                                      {"sector-size", "65536"},
                                      {"sectors", "x"},
                                      {"sectors", "18446744073709551615"}}) {
        Disk lied_to(kernel, 51712, {});
        ASSERT_TRUE(lied_to.begin().ok());
        device.back_state(2);
        backend.connect();
        device.put_back(node, value);
        device.back_state(4);
        EXPECT_FALSE(lied_to.is_connected()) << node << value;
        device.back_state(6);
        EXPECT_TRUE(lied_to.is_over());
        device.back_state(1);
    }
}

TEST_F(DiskTest, TakesAnyOtherStatusForAnError)
{
    connect();
    IoRequest asked = request(Kind::read, 0, one_page);
    lie_about(asked);
    answer({0, BlkifOp::read, static_cast<BlkifStatus>(-77)});
    EXPECT_EQ(asked.outcome, Outcome::failed);
    EXPECT_TRUE(disk.is_connected());
}

// What the program has is a copy: a backend that changes the page afterwards changes nothing.
TEST_F(DiskTest, DataIsThePrograms)
{
    connect();
    ASSERT_EQ(perform(Kind::read, 0, one_page), Outcome::done);
    std::memset(kernel.granted(backend.requests[0].seg[0].gref), 0xee, 4096);
    EXPECT_EQ(std::memcmp(one_page.data(), backend.content.data(), 4096), 0);
}

// Whatever stands in the backend's half of the shared page, nothing worse happens than that the device closes.
TEST_F(DiskTest, SurvivesAnything)
{
    u64 random = 4711;
    const auto next = [&] { return random = random * 6364136223846793005u + 1442695040888963407u, random >> 33; };
    for (int round = 0; round < 200; ++round) {
        Disk target(kernel, 51712, {.queues = 1, .ring_page_order = 0, .data_pages = 16});
        device.back_state(1);
        ASSERT_TRUE(target.begin().ok());
        device.back_state(2);
        backend.connect();
        device.back_state(4);
        std::vector<std::vector<u8>> data(8, std::vector<u8>(8192));
        std::vector<IoRequest> requests;
        for (auto& buffer : data)
            requests.push_back(request(next() % 2 ? Kind::read : Kind::write, next() % 64, buffer));
        for (IoRequest& asked : requests)
            target.submit(asked);
        u8* shared = kernel.granted(device.front_number("ring-ref"));
        for (int i = 0; i < 40; ++i) {
            auto& header = *reinterpret_cast<abi::io::RingHeader*>(shared);
            if (next() % 4 == 0)
                header.rsp_prod += static_cast<u32>(next() % 3);
            const size_t at = sizeof header + next() % (32 * 112);
            shared[at] = static_cast<u8>(next() % 8);
            if (kernel.has_port(backend.port))
                kernel.send_event(backend.port);
            kernel.run();
        }
        target.close();
        device.back_state(6);
        EXPECT_TRUE(target.is_closed());
        for (const IoRequest& asked : requests)
            EXPECT_NE(asked.outcome, Outcome::pending);
    }
}

}
}
