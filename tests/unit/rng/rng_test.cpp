// Both halves of the entropy device: together, restarted, and each against one that lies.
#include "backends/rng/device.hpp"
#include "frontends/rng/rng.hpp"
#include "tests/unit/frontends/both_ends.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <set>

namespace xylem::frontends::rng {
namespace {

using Outcome = RandomRequest::Outcome;
using abi::io::RngStatus;

std::unique_ptr<backends::Device> make_device(backends::DeviceSeams seams, backends::DevicePlace place,
                                              backends::DeviceEvents events)
{
    return std::make_unique<backends::rng::RngDevice>(std::move(seams), std::move(place), std::move(events));
}

class RngTest : public testing::Test {
protected:
    void connect()
    {
        ends.serve(make_device);
        ASSERT_TRUE(rng.begin().ok());
        ends.pump();
        ASSERT_TRUE(rng.is_connected());
    }
    void TearDown() override
    {
        rng.close();
        ends.kill();
        ends.device.back_state(6);
        EXPECT_TRUE(rng.is_closed());
    }
    /// Plays the backend: the ring, once connected.
    backends::ServerRing<abi::io::RngRequest, abi::io::RngResponse> connect_alone()
    {
        EXPECT_TRUE(rng.begin().ok());
        ends.device.back_state(2);
        backends::ServerRing<abi::io::RngRequest, abi::io::RngResponse> ring(
            reinterpret_cast<std::byte*>(ends.kernel.granted(ends.device.front_number("ring-ref"))), page_size);
        ends.device.back_state(4);
        return ring;
    }
    void tell()
    {
        ends.kernel.send_event(ends.device.front_number("event-channel"));
        ends.kernel.run();
    }

    test::BothEnds ends{"rng"};
    Rng rng{ends.kernel, 0};
};

TEST_F(RngTest, FillsWhatIsWantedAndNothingElse)
{
    connect();
    for (const size_t bytes : {1u, 16u, 4096u, 4097u, 20'000u}) {
        std::vector<u8> room(bytes + 2, 0xaa);
        RandomRequest request{std::span(room).subspan(1, bytes)};
        rng.fill(request);
        ends.pump();
        ASSERT_EQ(request.outcome, Outcome::done);
        EXPECT_EQ(room.front(), 0xaa);
        EXPECT_EQ(room.back(), 0xaa);
        if (bytes == 20'000) {
            EXPECT_EQ(std::set(room.begin(), room.end()).size(), 256u); // every byte occurs: all but surely
        }
    }
}

TEST_F(RngTest, RequestsAreServedInTurn)
{
    connect();
    std::vector<u8> a(5000), b(5000);
    RandomRequest first{a}, second{b};
    rng.fill(first);
    rng.fill(second);
    ends.pump();
    EXPECT_EQ(first.outcome, Outcome::done);
    EXPECT_EQ(second.outcome, Outcome::done);
    EXPECT_NE(a, b);
}

TEST_F(RngTest, ABackendThatIsKilledIsNotMissed)
{
    connect();
    std::vector<u8> room(100);
    RandomRequest request{room};
    ends.kill();
    rng.fill(request);
    ends.pump();
    EXPECT_EQ(request.outcome, Outcome::pending);
    ends.serve(make_device);
    ends.pump();
    EXPECT_EQ(request.outcome, Outcome::done);
    EXPECT_EQ(ends.device.front_at("state"), "4");
}

TEST_F(RngTest, RequestsFailWhenTheDeviceGoes)
{
    connect_alone();
    std::vector<u8> room(100);
    RandomRequest request{room}, second{room};
    rng.fill(request);
    rng.fill(second);
    ends.device.put_back("online", "0");
    ends.device.back_state(5);
    EXPECT_EQ(request.outcome, Outcome::failed);
    EXPECT_EQ(second.outcome, Outcome::failed);
    rng.fill(second);
    EXPECT_EQ(second.outcome, Outcome::failed);
}

// ---- A frontend that lies

/// A request of a frontend's choice: what does the backend say?
class RngBackendTest : public testing::Test {
protected:
    RngBackendTest()
    {
        ends.serve(make_device);
        page = ends.kernel.allocate_pages(2);
        ring_ref = ends.kernel.grant(DomId(3), page, Kernel::Access::read_write).value().value;
        data_ref = ends.kernel.grant(DomId(3), page + page_size, Kernel::Access::read_write).value().value;
        ends.pump();
        ring = std::make_unique<ClientRing<abi::io::RngRequest, abi::io::RngResponse>>(page, page_size);
        port = ends.kernel
                   .allocate_port(
                       DomId(3), [](void*) {}, nullptr)
                   .value();
        ends.kernel.map_store.put("device/rng/0/ring-ref", std::to_string(ring_ref));
        ends.kernel.map_store.put("device/rng/0/event-channel", std::to_string(port.value));
        ends.kernel.map_store.put("device/rng/0/state", "3");
        ends.pump();
        EXPECT_EQ(ends.kernel.map_store.at(ends.device.back("state")), "4");
    }
    ~RngBackendTest() override { ends.kernel.close_port(port); }

    RngStatus answer_to(u32 ref, u16 offset, u16 bytes)
    {
        ring->push(abi::io::RngRequest{77, ref, offset, bytes});
        if (ring->publish())
            ends.kernel.notify(port);
        ends.pump();
        EXPECT_EQ(ring->waiting(), 1u);
        const abi::io::RngResponse response = ring->take();
        EXPECT_EQ(response.id, 77u);
        return response.status;
    }

    test::BothEnds ends{"rng"};
    u8* page;
    u32 ring_ref, data_ref;
    Port port;
    std::unique_ptr<ClientRing<abi::io::RngRequest, abi::io::RngResponse>> ring;
};

TEST_F(RngBackendTest, AnswersOnlyWhatLiesInAPageThatIsGranted)
{
    EXPECT_EQ(answer_to(data_ref, 0, 4096), RngStatus::okay);
    EXPECT_EQ(answer_to(data_ref, 4095, 1), RngStatus::okay);
    EXPECT_EQ(answer_to(data_ref, 0, 0), RngStatus::error);
    EXPECT_EQ(answer_to(data_ref, 0, 4097), RngStatus::error);
    EXPECT_EQ(answer_to(data_ref, 4096, 1), RngStatus::error);
    EXPECT_EQ(answer_to(data_ref, 65535, 65535), RngStatus::error);
    EXPECT_EQ(answer_to(9999, 0, 16), RngStatus::error);
}

TEST_F(RngBackendTest, ClosesWhenTheRequestIndexRunsAhead)
{
    reinterpret_cast<abi::io::RingHeader*>(page)->req_prod = 1000;
    ends.kernel.notify(port);
    ends.pump();
    EXPECT_EQ(ends.kernel.map_store.at(ends.device.back("state")), "5");
    EXPECT_NE(ends.kernel.map_store.at(ends.device.back("error")), "(none)");
}

// ---- A backend that lies

TEST_F(RngTest, ClosesWhenSomethingElseIsAnswered)
{
    auto ring = connect_alone();
    std::vector<u8> room(100);
    RandomRequest request{room};
    rng.fill(request);
    const abi::io::RngRequest asked = ring.take();
    ring.respond({asked.id + 1, RngStatus::okay, 0});
    EXPECT_TRUE(ring.publish());
    tell();
    EXPECT_NE(rng.complaint(), nullptr);
    ends.device.back_state(5);
    EXPECT_EQ(request.outcome, Outcome::failed);
}

TEST_F(RngTest, TakesAnyOtherStatusForAnError)
{
    auto ring = connect_alone();
    std::vector<u8> room(100);
    RandomRequest request{room};
    rng.fill(request);
    ring.respond({ring.take().id, static_cast<RngStatus>(1234), 0});
    EXPECT_TRUE(ring.publish());
    tell();
    EXPECT_EQ(request.outcome, Outcome::failed);
    EXPECT_TRUE(rng.is_connected());
}

}
}
