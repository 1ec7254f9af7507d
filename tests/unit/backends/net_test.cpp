// The network backend's rings against a simulated frontend and link: packets both ways, offloads, hostile rings.
#include "tests/unit/backends/net_rig.hpp"
#include "tests/unit/backends/watched_page.hpp"

#include <algorithm>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

namespace xylem::backends::net {

u8 at(std::span<const std::byte> bytes, std::size_t i)
{
    return static_cast<u8>(bytes[i]);
}

/// An Ethernet frame with an IP packet of TCP or UDP in it; the payload counts up.
Bytes make_frame(bool ipv6, bool tcp, std::size_t payload, bool vlan = false)
{
    std::vector<u8> frame(12, 0x11);
    if (vlan)
        frame.insert(frame.end(), {0x81, 0x00, 0x00, 0x05});
    const std::size_t transport = (tcp ? 20 : 8) + payload;
    if (ipv6) {
        frame.insert(frame.end(), {0x86, 0xdd, 0x60, 0, 0, 0, static_cast<u8>(transport >> 8),
                                   static_cast<u8>(transport), static_cast<u8>(tcp ? 6 : 17), 64});
        for (u8 i = 0; i < 32; ++i)
            frame.push_back(i);
    } else {
        const std::size_t total = 20 + transport;
        frame.insert(frame.end(), {0x08,
                                   0x00,
                                   0x45,
                                   0,
                                   static_cast<u8>(total >> 8),
                                   static_cast<u8>(total),
                                   0,
                                   0,
                                   0x40,
                                   0,
                                   64,
                                   static_cast<u8>(tcp ? 6 : 17),
                                   0,
                                   0,
                                   10,
                                   9,
                                   0,
                                   1,
                                   10,
                                   9,
                                   0,
                                   2});
    }
    if (tcp)
        frame.insert(frame.end(), {0x12, 0x34, 0x00, 0x50, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0});
    else
        frame.insert(frame.end(),
                     {0x12, 0x34, 0x00, 0x50, static_cast<u8>(transport >> 8), static_cast<u8>(transport), 0, 0});
    for (std::size_t i = 0; i < payload; ++i)
        frame.push_back(static_cast<u8>(i));
    Bytes bytes(frame.size());
    std::transform(frame.begin(), frame.end(), bytes.begin(), [](u8 value) { return std::byte(value); });
    return bytes;
}

/// RFC 1071, slowly: the sum over pseudo header and segment of a right packet is all ones.
u16 sum_of_all(std::span<const std::byte> frame, const ChecksumPlace& place)
{
    u32 total = place.tcp ? 6 : 17;
    total += static_cast<u32>(frame.size() - place.transport);
    const std::size_t addresses = place.network + (place.ipv6 ? 8 : 12);
    for (std::size_t i = 0; i < (place.ipv6 ? 32u : 8u); ++i)
        total += i % 2 ? at(frame, addresses + i) : at(frame, addresses + i) << 8;
    for (std::size_t i = place.transport; i < frame.size(); ++i)
        total += (i - place.transport) % 2 ? at(frame, i) : at(frame, i) << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return static_cast<u16>(total);
}

TEST(NetPacket, TheChecksumIsFoundInEveryKindOfPacket)
{
    for (const bool ipv6 : {false, true})
        for (const bool tcp : {false, true})
            for (const bool vlan : {false, true}) {
                const Bytes frame = make_frame(ipv6, tcp, 100, vlan);
                const auto place = find_checksum(frame);
                ASSERT_TRUE(place);
                const std::size_t transport = 14u + (vlan ? 4 : 0) + (ipv6 ? 40 : 20);
                EXPECT_EQ(place->transport, transport);
                EXPECT_EQ(place->field, transport + (tcp ? 16 : 6));
                EXPECT_EQ(place->payload, transport + (tcp ? 20 : 8));
            }
}

TEST(NetPacket, TheFullChecksumMakesThePacketSumToAllOnes)
{
    for (const bool ipv6 : {false, true})
        for (const bool tcp : {false, true})
            for (const std::size_t payload : {0u, 1u, 2u, 999u, 1460u}) {
                Bytes frame = make_frame(ipv6, tcp, payload);
                store_full_checksum(frame, *find_checksum(frame));
                EXPECT_EQ(sum_of_all(frame, *find_checksum(frame)), 0xffff);
            }
}

// What Linux does with a partial checksum: sum the segment, with the pseudo header's sum in the field, and store the
// complement.
TEST(NetPacket, ThePseudoHeaderSumIsWhatPartialChecksumsStartFrom)
{
    Bytes frame = make_frame(false, true, 77);
    const auto place = *find_checksum(frame);
    store_pseudo_header_sum(frame, place, frame.size());
    u32 total = 0;
    for (std::size_t i = place.transport; i < frame.size(); ++i)
        total += (i - place.transport) % 2 ? at(frame, i) : at(frame, i) << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    const u16 checksum = static_cast<u16>(~total);
    frame[place.field] = std::byte(checksum >> 8);
    frame[place.field + 1] = std::byte(checksum & 0xff);
    EXPECT_EQ(sum_of_all(frame, place), 0xffff);
}

TEST(NetPacket, AFragmentHasNoChecksumOfItsOwn)
{
    Bytes frame = make_frame(false, true, 100);
    frame[14 + 6] = std::byte(0x20); // more fragments
    EXPECT_FALSE(find_checksum(frame));
    frame[14 + 6] = std::byte(0);
    frame[14 + 7] = std::byte(5); // not the first
    EXPECT_FALSE(find_checksum(frame));
}

// Nothing is read beyond the end, whatever the frame says of its lengths. (The sanitizer watches.)
TEST(NetPacket, TruncatedAndRandomFramesAreHarmless)
{
    std::mt19937 random(1);
    for (int round = 0; round < 20000; ++round) {
        Bytes frame = make_frame(random() % 2, random() % 2, random() % 20, random() % 2);
        frame.resize(random() % (frame.size() + 1));
        frame.shrink_to_fit();
        for (unsigned i = 0; i < random() % 4 && !frame.empty(); ++i)
            frame[random() % frame.size()] = std::byte(static_cast<u8>(random()));
        if (const auto place = find_checksum(frame)) {
            store_pseudo_header_sum(frame, *place, frame.size());
            store_full_checksum(frame, *place);
            EXPECT_LE(place->payload, frame.size());
        }
    }
}

/// What a test of either direction needs.
struct NetTransmit : testing::Test, NetRig<NetifTxRequest, NetifTxResponse> {
    void start(SendRules wanted = {})
    {
        rules = wanted;
        queue = std::make_unique<Transmit>(parts(), ring(), rules);
        queue->ring().start();
    }
    void push_extra(const NetifExtraInfo& extra)
    {
        NetifTxRequest slot{};
        std::memcpy(static_cast<void*>(&slot), &extra, sizeof extra);
        front.push(slot);
    }
    /// Puts a frame into pages from `page` on, `share` bytes in each, and its chain into the ring.
    void push_frame(const Bytes& frame, u32 page, std::size_t share, u16 flags = 0,
                    const NetifExtraInfo* extra = nullptr)
    {
        u16 id = 1;
        for (std::size_t done = 0; done < frame.size(); done += share, ++page, ++id) {
            const std::size_t bytes = std::min(share, frame.size() - done);
            std::memcpy(peer.page(page) + 64, frame.data() + done, bytes);
            NetifTxRequest slot{page, 64, 0, id, static_cast<u16>(done == 0 ? frame.size() : bytes)};
            if (done == 0)
                slot.flags = flags | (extra ? nettxf_extra_info : 0);
            if (done + bytes < frame.size())
                slot.flags |= nettxf_more_data;
            front.push(slot);
            if (done == 0 && extra)
                push_extra(*extra);
        }
    }
    void expect_sent(const Bytes& frame)
    {
        ASSERT_EQ(link.sent.size(), 1u);
        EXPECT_EQ(Bytes(link.sent[0].begin() + sizeof(TapHeader), link.sent[0].end()), frame);
    }
    TapHeader sent_header() const
    {
        TapHeader header;
        std::memcpy(&header, link.sent.at(0).data(), sizeof header);
        return header;
    }
    std::vector<NetifStatus> statuses()
    {
        std::vector<NetifStatus> all;
        for (const auto& response : front.pop_all())
            all.push_back(response.status);
        return all;
    }
    using Statuses = std::vector<NetifStatus>;

    SendRules rules;
    std::unique_ptr<Transmit> queue;
};

TEST_F(NetTransmit, APacketGoesOutAsItWas)
{
    start();
    const Bytes frame = make_frame(false, true, 1000);
    push_frame(frame, 5, 4000);
    queue->serve();
    expect_sent(frame);
    EXPECT_EQ(sent_header().flags, 0);
    EXPECT_EQ(statuses(), Statuses{NetifStatus::okay});
    EXPECT_EQ(events, 1u);
}

TEST_F(NetTransmit, PacketsBeyondTheRateWait)
{
    const auto begin = Budget::Clock::now();
    start({.rate = Budget(1000, std::chrono::milliseconds(10), 2000, begin), .only_from = std::nullopt});
    for (u32 i = 0; i < 6; ++i)
        push_frame(make_frame(false, false, 1000 - 42), 5 + i, 4000);
    queue->serve();
    EXPECT_LE(link.sent.size(), 3u); // two, unless the machine was slow
    for (int i = 0; i < 1000 && link.sent.size() < 6; ++i)
        loop.turn(std::chrono::milliseconds(10));
    EXPECT_GE(Budget::Clock::now() - begin, std::chrono::milliseconds(40));
    EXPECT_EQ(statuses(), Statuses(6, NetifStatus::okay));
}

TEST_F(NetTransmit, AFrameFromAnothersAddressIsDropped)
{
    start({.rate = std::nullopt, .only_from = parse_mac("00:16:3e:00:00:01")});
    Bytes frame = make_frame(false, true, 100);
    push_frame(frame, 5, 4000); // from 11:11:11:11:11:11
    push_frame(frame, 6, 10);   // its addresses in several pieces
    const u8 own[] = {0x00, 0x16, 0x3e, 0x00, 0x00, 0x01};
    std::memcpy(frame.data() + 6, own, sizeof own);
    push_frame(frame, 45, 10);
    queue->serve();
    expect_sent(frame);
    const auto all = statuses();
    EXPECT_EQ(all.front(), NetifStatus::error);
    EXPECT_EQ(all.back(), NetifStatus::okay);
}

TEST(NetPacket, AMacAddressIsSixBytes)
{
    EXPECT_EQ(parse_mac("00:16:3e:Ab:cd:ef"), (MacAddress{0x00, 0x16, 0x3e, 0xab, 0xcd, 0xef}));
    for (const char* wrong : {"", "00:16:3e:ab:cd", "00:16:3e:ab:cd:eg", "00-16-3e-ab-cd-ef", "00:16:3e:ab:cd:ef:"})
        EXPECT_FALSE(parse_mac(wrong)) << wrong;
}

TEST_F(NetTransmit, FragmentsAreJoined)
{
    start();
    const Bytes frame = make_frame(true, true, 9000);
    push_frame(frame, 5, 1001);
    queue->serve();
    expect_sent(frame);
    EXPECT_EQ(statuses(), Statuses(10, NetifStatus::okay));
}

TEST_F(NetTransmit, ManyPacketsCostOneEvent)
{
    start();
    for (int i = 0; i < 30; ++i)
        push_frame(make_frame(false, false, 64), 5 + static_cast<u32>(i), 4000);
    queue->serve();
    EXPECT_EQ(link.sent.size(), 30u);
    EXPECT_EQ(events, 1u);
}

TEST_F(NetTransmit, ABlankChecksumIsLeftToTheKernelWithItsPlace)
{
    start();
    push_frame(make_frame(false, false, 200), 5, 4000, nettxf_csum_blank | nettxf_data_validated);
    queue->serve();
    EXPECT_EQ(sent_header().flags, TapHeader::needs_checksum);
    EXPECT_EQ(sent_header().checksum_start, 34);
    EXPECT_EQ(sent_header().checksum_offset, 6);
    EXPECT_EQ(statuses(), Statuses{NetifStatus::okay});
}

// Headers in several pieces: a frontend may cut where it likes.
TEST_F(NetTransmit, ABlankChecksumIsFoundAcrossFragments)
{
    start();
    Bytes frame = make_frame(true, true, 200);
    push_frame(frame, 5, 30, nettxf_csum_blank);
    queue->serve();
    store_pseudo_header_sum(frame, *find_checksum(frame), frame.size());
    expect_sent(frame);
    EXPECT_EQ(sent_header().checksum_start, 54);
}

TEST_F(NetTransmit, SegmentationIsLeftToTheKernel)
{
    start();
    NetifExtraInfo extra{};
    extra.type = NetifExtraType::gso;
    extra.u.gso.size = 1448;
    extra.u.gso.type = NetifGsoType::tcpv4;
    const Bytes frame = make_frame(false, true, 60000);
    push_frame(frame, 5, 4000, nettxf_csum_blank, &extra);
    queue->serve();
    ASSERT_EQ(link.sent.size(), 1u);
    EXPECT_EQ(link.sent[0].size(), frame.size() + sizeof(TapHeader));
    EXPECT_EQ(sent_header().gso_type, TapHeader::gso_tcpv4);
    EXPECT_EQ(sent_header().segment_bytes, 1448);
    EXPECT_EQ(sent_header().header_bytes, 54);
    Statuses expected(17, NetifStatus::okay);
    expected[1] = NetifStatus::null;
    EXPECT_EQ(statuses(), expected);
}

TEST_F(NetTransmit, SegmentationThatContradictsThePacketIsAnError)
{
    start();
    NetifExtraInfo extra{};
    extra.type = NetifExtraType::gso;
    for (const auto& [size, type] :
         {std::pair<u16, NetifGsoType>{0, NetifGsoType::tcpv4}, {1448, NetifGsoType::tcpv6}}) {
        extra.u.gso.size = size;
        extra.u.gso.type = type;
        push_frame(make_frame(false, true, 3000), 5, 4000, nettxf_csum_blank, &extra);
        queue->serve();
        EXPECT_EQ(statuses(), (Statuses{NetifStatus::error, NetifStatus::null}));
    }
    EXPECT_TRUE(link.sent.empty());
}

TEST_F(NetTransmit, APacketThatDoesNotHoldIsDroppedAndTheNextGoesOut)
{
    start();
    const std::vector<NetifTxRequest> bad{
        {5, 0, 0, 1, 13},                 // shorter than an Ethernet header
        {5, 4000, 0, 2, 200},             // across the page's end
        {5, 65535, 0, 3, 65535},          // far across
        {100000, 0, 0, 4, 100},           // not granted
        {5, 0, nettxf_csum_blank, 5, 40}, // a checksum that is nowhere
    };
    for (const auto& request : bad)
        front.push(request);
    push_frame(make_frame(false, true, 10), 6, 4000);
    queue->serve();
    Statuses expected(bad.size(), NetifStatus::error);
    expected.push_back(NetifStatus::okay);
    EXPECT_EQ(statuses(), expected);
    EXPECT_EQ(link.sent.size(), 1u);
    EXPECT_TRUE(broken.empty());
}

TEST_F(NetTransmit, FragmentsLargerThanTheWholeAreAnError)
{
    start();
    front.push({5, 0, nettxf_more_data, 1, 100});
    front.push({6, 0, 0, 2, 100});
    queue->serve();
    EXPECT_EQ(statuses(), (Statuses{NetifStatus::error, NetifStatus::error}));
}

TEST_F(NetTransmit, AChainThatEndsTooEarlyClosesTheDevice)
{
    start();
    front.push({5, 0, nettxf_more_data, 1, 100});
    queue->serve();
    EXPECT_EQ(broken, "a transmit packet lacks slots, or has too many");
}

TEST_F(NetTransmit, AChainWithoutEndClosesTheDevice)
{
    start();
    for (u16 i = 0; i < 40; ++i)
        front.push({5, 0, nettxf_more_data, i, 60000});
    queue->serve();
    EXPECT_FALSE(broken.empty());
    EXPECT_TRUE(link.sent.empty());
}

TEST_F(NetTransmit, ExtrasWithoutEndCloseTheDevice)
{
    start();
    front.push({5, 0, nettxf_extra_info, 1, 100});
    NetifExtraInfo extra{};
    extra.type = NetifExtraType::gso;
    extra.flags = netif_extra_flag_more;
    for (int i = 0; i < 10; ++i)
        push_extra(extra);
    queue->serve();
    EXPECT_FALSE(broken.empty());
}

TEST_F(NetTransmit, ARingThatOverflowsClosesTheDevice)
{
    start();
    front.header().req_prod = front.size + 1;
    queue->serve();
    EXPECT_FALSE(broken.empty());
    queue->serve();
    EXPECT_TRUE(link.sent.empty());
}

// XSA-155: the frontend changes each word of a request once it has been read.
TEST_F(NetTransmit, NoWordOfARequestIsReadTwice)
{
    start();
    const Bytes frame = make_frame(false, true, 100);
    std::copy(frame.begin(), frame.end(), peer.page(5));
    front.push({5, 0, nettxf_more_data, 1, static_cast<u16>(frame.size())});
    front.push({5, 90, 0, 2, 10});
    {
        test::WatchedPage ring(peer.read_at(0), sizeof(RingHeader));
        queue->serve();
        EXPECT_GT(ring.words_read(), 4u);
        EXPECT_EQ(ring.words_read_again(), 0u);
    }
    ASSERT_EQ(link.sent.size(), 1u);
    EXPECT_EQ(link.sent[0].size(), sizeof(TapHeader) + frame.size());
    EXPECT_EQ(front.pop()->id, 1u);
}

TEST_F(NetTransmit, AHostileRingIsHarmless)
{
    for (u32 seed = 1; seed <= 300; ++seed) {
        front = decltype(front)(peer.page(0));
        front.init();
        broken.clear();
        link.sent.clear();
        start();
        std::mt19937 random(seed);
        for (int step = 0; step < 60 && broken.empty(); ++step) {
            NetifTxRequest raw{static_cast<u32>(random() % 320), static_cast<u16>(random() % 5000),
                               static_cast<u16>(random() % 8 ? random() % 4 : random()), static_cast<u16>(random()),
                               static_cast<u16>(random() % 4 ? random() % 3000 : random())};
            if (!front.full())
                front.push(raw);
            if (random() % 30 == 0)
                reinterpret_cast<u8*>(front.shared)[random() % page_size] = static_cast<u8>(random());
            if (random() % 3 == 0)
                queue->serve();
            settle();
            front.consumed = front.header().rsp_prod;
        }
        for (const Bytes& packet : link.sent)
            EXPECT_LE(packet.size(), sizeof(TapHeader) + netif_max_tx_size);
        queue.reset();
    }
}

struct NetReceive : testing::Test, NetRig<NetifRxRequest, NetifRxResponse> {
    void start(Offload offload = {true, true, true, true, true})
    {
        queue = std::make_unique<Receive>(parts(), ring(), offload);
        queue->ring().start();
    }
    void post(u32 count)
    {
        for (u32 i = 0; i < count; ++i, ++posted)
            front.push({static_cast<u16>(posted), 0, 1 + posted % 290});
    }
    void arrive(const Bytes& frame, TapHeader header = {})
    {
        Bytes packet(sizeof header + frame.size());
        std::memcpy(packet.data(), &header, sizeof header);
        std::copy(frame.begin(), frame.end(), packet.begin() + sizeof header);
        link.arrivals.push_back(packet);
    }
    /// The next packet as the guest sees it: its slots, and their data joined.
    struct Packet {
        std::vector<NetifRxResponse> slots;
        Bytes data;
        std::optional<NetifExtraInfo> extra;
    };
    std::optional<Packet> next()
    {
        Packet packet;
        for (bool more = true; more;) {
            const auto slot = front.pop();
            if (!slot)
                return std::nullopt;
            packet.slots.push_back(*slot);
            if (slot->status > 0) {
                const std::byte* page = peer.page(1 + slot->id % 290u);
                packet.data.insert(packet.data.end(), page, page + slot->status);
            }
            if (slot->flags & netrxf_extra_info) {
                const auto raw = *front.pop();
                packet.extra.emplace();
                std::memcpy(static_cast<void*>(&*packet.extra), &raw, sizeof raw);
            }
            more = slot->flags & netrxf_more_data;
        }
        return packet;
    }

    std::unique_ptr<Receive> queue;
    u32 posted = 0;
};

TEST_F(NetReceive, APacketArrivesAsItWas)
{
    start();
    post(20);
    const Bytes frame = make_frame(false, true, 1000);
    arrive(frame);
    queue->serve();
    const auto packet = next();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->data, frame);
    EXPECT_EQ(packet->slots[0].flags, 0);
    EXPECT_EQ(events, 1u);
}

TEST_F(NetReceive, ALargePacketTakesAPageASlot)
{
    start();
    post(20);
    const Bytes frame = make_frame(false, false, 9000 - 42);
    arrive(frame);
    queue->serve();
    const auto packet = next();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->slots.size(), 3u);
    EXPECT_EQ(packet->data, frame);
}

// XSA-403: what lies behind a packet in a granted page is not ours to write.
TEST_F(NetReceive, NothingBehindAPacketIsWritten)
{
    start();
    post(20);
    for (u32 page = 1; page < 21; ++page)
        std::memset(peer.page(page), 0xa5, page_size);
    arrive(make_frame(false, true, 9000));
    arrive(make_frame(false, true, 10));
    queue->serve();
    std::size_t page = 1;
    for (const auto& slot : front.pop_all()) {
        for (auto i = static_cast<std::size_t>(slot.status); i < page_size; ++i)
            ASSERT_EQ(peer.page(static_cast<u32>(page))[i], std::byte{0xa5}) << "page " << page << ", byte " << i;
        ++page;
    }
    EXPECT_EQ(page, 5u);
}

TEST_F(NetReceive, SegmentationIsLeftToTheGuest)
{
    start();
    post(30);
    const Bytes frame = make_frame(true, true, 60000);
    arrive(frame, {TapHeader::needs_checksum, TapHeader::gso_tcpv6 | TapHeader::gso_ecn, 74, 1428, 54, 16});
    queue->serve();
    const auto packet = next();
    ASSERT_TRUE(packet);
    EXPECT_EQ(packet->data, frame);
    EXPECT_EQ(packet->slots[0].flags, netrxf_csum_blank | netrxf_data_validated | netrxf_more_data | netrxf_extra_info);
    EXPECT_EQ(packet->extra->type, NetifExtraType::gso);
    EXPECT_EQ(packet->extra->u.gso.size, 1428);
    EXPECT_EQ(packet->extra->u.gso.type, NetifGsoType::tcpv6);
}

TEST_F(NetReceive, APacketWaitsUntilThereAreEnoughPages)
{
    start();
    post(2);
    const Bytes frame = make_frame(false, false, 9000);
    arrive(frame);
    arrive(make_frame(false, true, 1));
    queue->serve();
    EXPECT_FALSE(next());
    EXPECT_FALSE(link.listening);
    EXPECT_EQ(front.header().req_event, 3u);
    post(10);
    queue->serve();
    EXPECT_EQ(next()->data, frame);
    EXPECT_EQ(next()->data, make_frame(false, true, 1));
    EXPECT_TRUE(link.listening);
}

// The guest's driver cannot: the sum is made here.
TEST_F(NetReceive, AChecksumThatTheGuestCannotMakeIsMadeForIt)
{
    start({.scatter = true, .checksum_ipv4 = true});
    post(20);
    for (const bool ipv6 : {false, true}) {
        const Bytes frame = make_frame(ipv6, true, 500);
        arrive(frame, {TapHeader::needs_checksum, 0, 0, 0, static_cast<u16>(find_checksum(frame)->transport), 16});
        queue->serve();
        const auto packet = next();
        ASSERT_TRUE(packet);
        EXPECT_EQ(packet->slots[0].flags, ipv6 ? 0 : netrxf_csum_blank | netrxf_data_validated);
        if (ipv6) {
            EXPECT_EQ(sum_of_all(packet->data, *find_checksum(packet->data)), 0xffff);
        }
    }
}

TEST_F(NetReceive, WhatTheGuestCannotTakeIsDropped)
{
    start({});
    post(20);
    arrive(make_frame(false, true, 5000));
    arrive(make_frame(false, true, 1000), {TapHeader::needs_checksum, TapHeader::gso_tcpv4, 54, 500, 34, 16});
    arrive(Bytes(4));
    arrive(make_frame(false, true, 7));
    queue->serve();
    EXPECT_EQ(next()->data, make_frame(false, true, 7));
    EXPECT_FALSE(next());
}

TEST_F(NetReceive, APageThatIsNotGrantedMarksItsPacket)
{
    start();
    post(4);
    peer.revoke(2);
    arrive(make_frame(false, false, 6000));
    arrive(make_frame(false, false, 60));
    queue->serve();
    EXPECT_LT(next()->slots[0].status, 0);
    EXPECT_EQ(next()->data, make_frame(false, false, 60));
}

TEST_F(NetReceive, ARingThatOverflowsClosesTheDevice)
{
    start();
    front.header().req_prod = 0x80000000;
    arrive(make_frame(false, true, 7));
    queue->serve();
    EXPECT_FALSE(broken.empty());
}

// More than a batch, with pages posted bit by bit: all arrive, in order.
TEST_F(NetReceive, ALoadArrivesInOrder)
{
    start();
    std::mt19937 random(7);
    std::deque<Bytes> expected;
    unsigned received = 0;
    for (int step = 0; step < 1000; ++step) {
        if (expected.size() < 200) {
            Bytes frame = make_frame(false, false, random() % 3 ? random() % 1400 : random() % 60000);
            expected.push_back(frame);
            arrive(frame);
        }
        while (front.produced - front.consumed < 250 && random() % 4)
            post(1);
        queue->serve();
        settle();
        while (const auto packet = next()) {
            ASSERT_EQ(packet->data, expected.front());
            expected.pop_front();
            ++received;
        }
    }
    EXPECT_GT(received, 300u);
    EXPECT_TRUE(broken.empty());
}

TEST_F(NetReceive, AHostileRingIsHarmless)
{
    for (u32 seed = 1; seed <= 200; ++seed) {
        front = decltype(front)(peer.page(0));
        front.init();
        posted = 0;
        broken.clear();
        link.arrivals.clear();
        start();
        std::mt19937 random(seed);
        for (int step = 0; step < 60 && broken.empty(); ++step) {
            if (!front.full())
                front.push({static_cast<u16>(random()), 0, static_cast<u32>(random() % 320)});
            arrive(make_frame(random() % 2, random() % 2, random() % 9000),
                   {static_cast<u8>(random() % 4), static_cast<u8>(random() % 6), 0, static_cast<u16>(random()), 0, 0});
            if (random() % 30 == 0)
                reinterpret_cast<u8*>(front.shared)[random() % page_size] = static_cast<u8>(random());
            queue->serve();
            settle();
            front.consumed = front.header().rsp_prod;
        }
        queue.reset();
    }
}

}
