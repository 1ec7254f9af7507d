// The network interface's frontend against a backend in the test.
#include "backends/lib/ring.hpp"
#include "frontends/net/interface.hpp"
#include "tests/unit/frontends/fake_kernel.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace xylem::frontends::net {
namespace {

using namespace abi::io;
using test::FakeDevice;
using test::FakeKernel;
using Packet = std::vector<u8>;

Packet packet_of(size_t bytes, u8 seed = 1)
{
    Packet packet(bytes);
    for (size_t i = 0; i < bytes; ++i)
        packet[i] = static_cast<u8>(i * 3 + seed);
    return packet;
}

struct FakeBackend {
    using TransmitRing = backends::ServerRing<NetifTxRequest, NetifTxResponse>;
    using ReceiveRing = backends::ServerRing<NetifRxRequest, NetifRxResponse>;

    FakeBackend(FakeKernel& k, FakeDevice& d) : kernel(k), device(d) {}

    std::byte* ring_page(const std::string& node)
    {
        return reinterpret_cast<std::byte*>(kernel.granted(device.front_number(node)));
    }
    void connect(const std::string& prefix = "", bool split = false)
    {
        transmit = std::make_unique<TransmitRing>(ring_page(prefix + "tx-ring-ref"), page_size);
        receive = std::make_unique<ReceiveRing>(ring_page(prefix + "rx-ring-ref"), page_size);
        port = device.front_number(prefix + (split ? "event-channel-rx" : "event-channel"));
    }

    /// What the frontend has sent, put together again.
    std::vector<Packet> take_sent()
    {
        std::vector<Packet> packets;
        while (transmit->waiting().value() > 0) {
            const NetifTxRequest first = transmit->take();
            flags.push_back(first.flags);
            std::vector<NetifTxRequest> slots{first};
            while (slots.back().flags & nettxf_more_data)
                slots.push_back(transmit->take());
            size_t rest = first.size;
            for (size_t i = 1; i < slots.size(); ++i)
                rest -= slots[i].size;
            Packet packet;
            for (size_t i = 0; i < slots.size(); ++i) {
                const u8* data = kernel.granted(slots[i].gref) + slots[i].offset;
                packet.insert(packet.end(), data, data + (i == 0 ? rest : slots[i].size));
                transmit->respond({slots[i].id, NetifStatus::okay});
            }
            packets.push_back(packet);
        }
        if (transmit->publish())
            kernel.send_event(port);
        EXPECT_FALSE(transmit->ask_for_event());
        return packets;
    }

    void deliver(const Packet& packet, u16 offset = 0)
    {
        for (size_t at = 0; at < packet.size();) {
            const NetifRxRequest room = receive->take();
            const size_t bytes = std::min(packet.size() - at, page_size - offset);
            std::memcpy(kernel.granted(room.gref) + offset, packet.data() + at, bytes);
            at += bytes;
            receive->respond({room.id, offset, static_cast<u16>(at < packet.size() ? netrxf_more_data : 0),
                              static_cast<i16>(bytes)});
        }
        publish();
    }
    void publish()
    {
        if (receive->publish())
            kernel.send_event(port);
        kernel.run();
    }

    FakeKernel& kernel;
    FakeDevice& device;
    std::unique_ptr<TransmitRing> transmit;
    std::unique_ptr<ReceiveRing> receive;
    unsigned long port = 0;
    std::vector<u16> flags;
};

class InterfaceTest : public testing::Test {
protected:
    InterfaceTest()
    {
        kernel.map_store.put(device.front("mac"), "00:16:3e:0A:0b:ff");
        device.put_back("feature-sg", "1");
    }
    void connect()
    {
        ASSERT_TRUE(interface.begin().ok());
        device.back_state(2);
        ASSERT_EQ(device.front_at("state"), "4"); // Linux's backend looks at the rings in this state only
        backend.connect();
        device.back_state(4);
        ASSERT_TRUE(interface.is_connected());
    }
    void TearDown() override
    {
        interface.close();
        device.back_state(6);
        EXPECT_TRUE(interface.is_closed());
        EXPECT_EQ(kernel.pages_in_use(), 0u);
        EXPECT_EQ(kernel.grants_in_use(), 0u);
    }
    static void on_packet(void* context, std::span<const u8> packet, Checksum checksum)
    {
        auto* self = static_cast<InterfaceTest*>(context);
        self->received.emplace_back(packet.begin(), packet.end());
        self->checksums.push_back(checksum);
    }
    void expect_broken()
    {
        kernel.run();
        EXPECT_NE(interface.complaint(), nullptr);
        EXPECT_EQ(device.front_at("state"), "5");
        EXPECT_TRUE(received.empty());
        device.back_state(5);
        EXPECT_TRUE(interface.is_over());
        EXPECT_TRUE(interface.send(packet_of(60)) == Error::Again);
    }

    FakeKernel kernel;
    FakeDevice device{kernel, "vif", 0};
    FakeBackend backend{kernel, device};
    Interface interface {
        kernel, 0, {}, { on_packet, this }
    };
    std::vector<Packet> received;
    std::vector<Checksum> checksums; // of these
};

TEST_F(InterfaceTest, SaysWhatItWants)
{
    connect();
    EXPECT_EQ(interface.mac().bytes[3], 0x0a);
    EXPECT_EQ(device.front_at("request-rx-copy"), "1");
    EXPECT_EQ(device.front_at("feature-rx-notify"), "1");
    EXPECT_EQ(device.front_at("feature-no-csum-offload"), "1"); // what comes has its checksum
    EXPECT_EQ(device.front_at("feature-gso-tcpv4"), "(none)");
}

TEST_F(InterfaceTest, SendsPacketsOfAllLengths)
{
    connect();
    for (const size_t bytes : {1u, 60u, 1514u, 4096u, 4097u, 9000u, 65535u}) {
        const Packet packet = packet_of(bytes);
        ASSERT_TRUE(interface.send(packet).ok());
        EXPECT_EQ(backend.take_sent(), std::vector<Packet>{packet});
    }
    EXPECT_TRUE(interface.send(packet_of(65536)) == Error::Invalid);
    EXPECT_TRUE(interface.send({}) == Error::Invalid);
    ASSERT_TRUE(interface.send(packet_of(60), Checksum::blank).ok());
    backend.take_sent();
    EXPECT_EQ(backend.flags.back(), nettxf_csum_blank | nettxf_data_validated);
}

TEST_F(InterfaceTest, SaysWhenThereIsNoRoomAndGoesOnWhenThereIs)
{
    connect();
    unsigned sent = 0;
    while (interface.send(packet_of(60)).ok())
        ++sent;
    EXPECT_EQ(sent, 64u);
    EXPECT_EQ(interface.room(), 0u);
    EXPECT_EQ(interface.on_the_way(), 64u);
    EXPECT_EQ(backend.take_sent().size(), 64u);
    kernel.run();
    EXPECT_EQ(interface.on_the_way(), 0u);
    for (int turns = 0; turns < 1000; ++turns) {
        ASSERT_TRUE(interface.send(packet_of(60)).ok());
        backend.take_sent();
    }
    EXPECT_EQ(interface.counters().packets_out, 1064u);
}

TEST_F(InterfaceTest, ReceivesPacketsOfAllLengths)
{
    connect();
    std::vector<Packet> sent;
    for (int turns = 0; turns < 100; ++turns)
        for (const size_t bytes : {60u, 1514u, 9000u, 65000u}) {
            sent.push_back(packet_of(bytes, static_cast<u8>(turns)));
            backend.deliver(sent.back(), static_cast<u16>(turns));
        }
    EXPECT_EQ(received, sent);
    EXPECT_EQ(interface.counters().packets_in, 400u);
}

TEST_F(InterfaceTest, TellsWhatAPacketsFirstSlotSaysOfItsChecksum)
{
    connect();
    for (const u16 flags : {u16{0}, netrxf_data_validated, netrxf_csum_blank,
                            static_cast<u16>(netrxf_csum_blank | netrxf_data_validated)}) {
        const NetifRxRequest first = backend.receive->take(), second = backend.receive->take();
        backend.receive->respond({first.id, 0, static_cast<u16>(flags | netrxf_more_data), 100});
        backend.receive->respond({second.id, 0, 0, 100});
    }
    backend.publish();
    EXPECT_EQ(checksums, (std::vector{Checksum::complete, Checksum::validated, Checksum::blank, Checksum::blank}));
}

TEST_F(InterfaceTest, TakesBlankChecksumsWhereItsUserDoes)
{
    Interface other(kernel, 0, {.takes_blank = true}, {on_packet, this});
    ASSERT_TRUE(other.begin().ok());
    device.back_state(2);
    EXPECT_EQ(device.front_at("feature-no-csum-offload"), "0");
    other.close();
    device.back_state(6);
    EXPECT_TRUE(other.is_closed());
}

TEST_F(InterfaceTest, DropsAPacketOfWhichAPartWasLost)
{
    connect();
    const NetifRxRequest first = backend.receive->take(), second = backend.receive->take();
    backend.receive->respond({first.id, 0, netrxf_more_data, 100});
    backend.receive->respond({second.id, 0, 0, -1});
    backend.publish();
    EXPECT_TRUE(received.empty());
    EXPECT_EQ(interface.counters().errors, 1u);
    backend.deliver(packet_of(60));
    EXPECT_EQ(received.size(), 1u);
}

TEST_F(InterfaceTest, UsesSplitEventsAndQueuesWhereTheBackendHasThem)
{
    device.put_back("feature-split-event-channels", "1");
    device.put_back("multi-queue-max-queues", "4");
    ASSERT_TRUE(interface.begin().ok());
    device.back_state(2);
    EXPECT_EQ(device.front_at("multi-queue-num-queues"), "2");
    EXPECT_EQ(device.front_at("event-channel"), "(none)");
    EXPECT_NE(device.front_at("queue-0/event-channel-tx"), device.front_at("queue-0/event-channel-rx"));
    backend.connect("queue-1/", true);
    device.back_state(4);
    ASSERT_TRUE(interface.send(packet_of(60), Checksum::complete, 1).ok());
    EXPECT_EQ(backend.take_sent().size(), 1u);
    backend.deliver(packet_of(60));
    EXPECT_EQ(received.size(), 1u);
}

TEST_F(InterfaceTest, ConnectsAgainWhenTheBackendBeginsAnew)
{
    connect();
    ASSERT_TRUE(interface.send(packet_of(60)).ok());
    device.back_state(2);
    backend.connect();
    device.back_state(4);
    EXPECT_TRUE(interface.is_connected());
    EXPECT_TRUE(backend.take_sent().empty()); // lost, as on a wire
    ASSERT_TRUE(interface.send(packet_of(61)).ok());
    EXPECT_EQ(backend.take_sent().size(), 1u);
    EXPECT_EQ(interface.counters().packets_out, 2u);
}

TEST_F(InterfaceTest, RefusesWhatTheBackendCannotTake)
{
    device.put_back("feature-sg", "0");
    device.put_back("feature-no-csum-offload", "1");
    connect();
    EXPECT_TRUE(interface.send(packet_of(4097)) == Error::NotSupported);
    EXPECT_TRUE(interface.send(packet_of(60), Checksum::blank) == Error::NotSupported);
}

// ---- A store that does not take the state

TEST_F(InterfaceTest, GivesUpWhenItCannotSayWhereItsRingsAre)
{
    kernel.map_store.refused.insert({device.front("state"), "4"});
    ASSERT_TRUE(interface.begin().ok());
    device.back_state(2);
    EXPECT_TRUE(interface.is_over());
    EXPECT_EQ(kernel.grants_in_use(), 0u);
    EXPECT_EQ(device.front_at("state"), "6");
}

TEST_F(InterfaceTest, DoesNotBeginWhenItCannotSaySo)
{
    kernel.map_store.refused.insert({device.front("state"), "1"});
    EXPECT_TRUE(interface.begin() == Error::NoSpace);
}

TEST_F(InterfaceTest, EndsAtOnceWhenItCannotAskForTheEnd)
{
    connect();
    kernel.map_store.refused.insert({device.front("state"), "5"});
    interface.close();
    EXPECT_TRUE(interface.is_over());
    EXPECT_EQ(device.front_at("state"), "6");
}

// ---- Backends that lie

TEST_F(InterfaceTest, ClosesWhenTheBackendFillsAPageTwice)
{
    connect();
    const NetifRxRequest room = backend.receive->take();
    backend.receive->take();
    backend.receive->respond({room.id, 0, netrxf_more_data, 60});
    backend.receive->respond({room.id, 0, netrxf_more_data, 60});
    backend.publish();
    expect_broken();
}

TEST_F(InterfaceTest, ClosesWhenAPacketIsLongerThanItsPage)
{
    for (const auto& [offset, status] : {std::pair<u16, i16>{0, 4097}, {4096, 1}, {65535, 60}, {4000, 200}}) {
        FakeDevice again(kernel, "vif", 0); // as it was made
        Interface target(kernel, 0, {}, {on_packet, this});
        ASSERT_TRUE(target.begin().ok());
        device.back_state(2);
        backend.connect();
        device.back_state(4);
        const NetifRxRequest room = backend.receive->take();
        backend.receive->respond({room.id, offset, 0, status});
        backend.publish();
        EXPECT_NE(target.complaint(), nullptr);
        EXPECT_TRUE(received.empty());
        device.back_state(6);
        EXPECT_TRUE(target.is_over());
    }
}

TEST_F(InterfaceTest, ClosesWhenAPacketHasNoEnd)
{
    connect();
    for (int i = 0; i < 17; ++i) { // 17 pages are more than the longest packet
        const NetifRxRequest room = backend.receive->take();
        backend.receive->respond({room.id, 0, netrxf_more_data, 4096});
    }
    backend.publish();
    expect_broken();
}

TEST_F(InterfaceTest, ClosesWhenWhatWasNotSentIsAnswered)
{
    connect();
    ASSERT_TRUE(interface.send(packet_of(60)).ok());
    const NetifTxRequest request = backend.transmit->take();
    backend.transmit->respond({static_cast<u16>(request.id - 1), NetifStatus::okay});
    EXPECT_TRUE(backend.transmit->publish());
    kernel.send_event(backend.port);
    expect_broken();
}

TEST_F(InterfaceTest, ClosesWhenAnIndexRunsAhead)
{
    connect();
    reinterpret_cast<RingHeader*>(backend.ring_page("rx-ring-ref"))->rsp_prod = 1000;
    kernel.send_event(backend.port);
    expect_broken();
}

// Whatever stands in the backend's half of both rings, nothing worse happens than that the device closes, and no packet
// is longer than a packet can be. Responses are close to valid, so that they come far.
TEST_F(InterfaceTest, SurvivesAnything)
{
    std::mt19937 random(4711);
    unsigned broken = 0, delivered = 0;
    for (int round = 0; round < 100; ++round) {
        FakeDevice again(kernel, "vif", 0); // as it was made
        kernel.map_store.put(device.front("mac"), "00:16:3e:0A:0b:ff");
        device.put_back("feature-sg", "1");
        Interface target(kernel, 0, {.queues = 1, .takes_blank = round % 2 == 0}, {on_packet, this});
        ASSERT_TRUE(target.begin().ok());
        device.back_state(2);
        backend.connect();
        device.back_state(4);
        auto* transmit = reinterpret_cast<RingHeader*>(backend.ring_page("tx-ring-ref"));
        auto* receive = reinterpret_cast<RingHeader*>(backend.ring_page("rx-ring-ref"));
        for (int step = 0; step < 60; ++step) {
            if (random() % 2)
                target.send(packet_of(1 + random() % 9000)).take();
            auto* answers = reinterpret_cast<NetifTxEntry*>(transmit + 1);
            auto* packets = reinterpret_cast<NetifRxEntry*>(receive + 1);
            // The slot of a response is that of the request with its number, whose id it answers.
            const bool wild = random() % 64 == 0;
            if (random() % 2) {
                NetifTxEntry& slot = answers[transmit->rsp_prod % 256];
                slot.rsp = {wild ? static_cast<u16>(random()) : slot.req.id,
                            static_cast<NetifStatus>(static_cast<int>(random() % 4) - 2)};
                transmit->rsp_prod += wild ? random() % 400 : transmit->rsp_prod != transmit->req_prod;
            }
            if (random() % 2) {
                NetifRxEntry& slot = packets[receive->rsp_prod % 256];
                const u16 offset = static_cast<u16>(wild ? random() : random() % 64);
                const i16 status = static_cast<i16>(wild ? random() : random() % 4000);
                const u16 flags = static_cast<u16>(wild ? random() % 32 : random() % 8);
                slot.rsp = {wild ? static_cast<u16>(random()) : slot.req.id, offset, flags, status};
                receive->rsp_prod += wild ? random() % 400 : receive->rsp_prod != receive->req_prod;
            }
            if (kernel.has_port(backend.port))
                kernel.send_event(backend.port);
            kernel.run();
            if (target.complaint())
                break; // the pages are not the backend's for long
        }
        for (const Packet& packet : received)
            EXPECT_LE(packet.size(), longest_packet);
        delivered += static_cast<unsigned>(received.size());
        broken += target.complaint() != nullptr;
        received.clear();
        target.close();
        device.back_state(6);
        EXPECT_TRUE(target.is_closed());
        EXPECT_EQ(kernel.grants_in_use(), 0u);
    }
    EXPECT_GT(broken, 20u); // so that the test tries both
    EXPECT_GT(delivered, 500u);
}

TEST(MacAddress, IsReadFromText)
{
    EXPECT_TRUE(mac_in("00:16:3e:0a:0b:0c"));
    for (const char* wrong : {"", "00:16:3e:0a:0b", "00:16:3e:0a:0b:0", "00:16:3e:0a:0b:0c:", "00-16-3e-0a-0b-0c",
                              "0g:16:3e:0a:0b:0c", "00:16:3e:0a:0b:0cc"})
        EXPECT_FALSE(mac_in(wrong)) << wrong;
}

}
}
