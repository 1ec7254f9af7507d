// The store's client against a daemon in the test, which answers whenever the client waits; and one that lies.
#include "frontends/xenbus/store_client.hpp"

#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace xylem::frontends {
namespace {

using Type = abi::io::XsMessageType;
using Header = abi::io::XsMessageHeader;

class StoreClientTest : public testing::Test {
protected:
    struct Message {
        Header header;
        std::string payload;
    };

    /// Everything the daemon does in one turn: takes what is there, and puts out what fits.
    void turn()
    {
        ASSERT_LT(++turns, 100'000u) << "the client waits for ever";
        const u32 there = page.req_prod - page.req_cons;
        ASSERT_LE(there, sizeof page.req);
        for (u32 i = 0; i < there; ++i)
            in.push_back(page.req[page.req_cons++ % sizeof page.req]);
        while (in.size() >= sizeof(Header)) {
            Message message;
            std::memcpy(&message.header, in.data(), sizeof(Header));
            if (in.size() < sizeof(Header) + message.header.len)
                break;
            message.payload = in.substr(sizeof(Header), message.header.len);
            in.erase(0, sizeof(Header) + message.header.len);
            requests.push_back(message);
            answer(message);
        }
        flush();
    }
    void flush()
    {
        for (u32 at_once = 0; !out.empty() && page.rsp_prod - page.rsp_cons < sizeof page.rsp && at_once < piece;
             ++at_once) {
            page.rsp[page.rsp_prod++ % sizeof page.rsp] = out[0];
            out.erase(0, 1);
        }
    }
    void put(Type type, u32 request, const std::string& payload)
    {
        const Header header{type, request, 0, static_cast<u32>(payload.size())};
        out.append(reinterpret_cast<const char*>(&header), sizeof header);
        out += payload;
    }
    void put_event(const std::string& path, const std::string& token)
    {
        put(Type::watch_event, 0, path + '\0' + token + '\0');
    }
    static void wait(void* self) { static_cast<StoreClientTest*>(self)->turn(); }
    static void notify(void*) {}
    static void count(void* counter) { ++*static_cast<unsigned*>(counter); }

    abi::io::XenstoreDomainInterface page{};
    std::string in, out;
    std::vector<Message> requests;
    u32 piece = 10'000; ///< bytes a turn
    unsigned turns = 0;
    std::function<void(const Message&)> answer = [this](const Message& message) {
        put(message.header.type, message.header.req_id, "OK");
    };
    StoreClient client{{&page, notify, wait, this}};
    char value[64];
};

TEST_F(StoreClientTest, ReadsAndWrites)
{
    ASSERT_TRUE(client.write("device/vbd/1/state", "3").ok());
    EXPECT_EQ(requests[0].header.type, Type::write);
    EXPECT_EQ(requests[0].payload, std::string("device/vbd/1/state") + '\0' + "3"); // the value has no zero
    answer = [this](const Message& message) { put(Type::read, message.header.req_id, "some value"); };
    const auto length = client.read("a/path", value);
    ASSERT_TRUE(length.ok());
    EXPECT_EQ(length.value(), 10u);
    EXPECT_STREQ(value, "some value");
    EXPECT_EQ(requests[1].payload, std::string("a/path") + '\0');
    char small[10];
    EXPECT_TRUE(client.read("a/path", small) == Error::TooBig);
}

TEST_F(StoreClientTest, TellsTheStoresErrors)
{
    for (const auto& [word, error] : {std::pair{"ENOENT", Error::NoEntry},
                                      {"EACCES", Error::Access},
                                      {"EAGAIN", Error::Again},
                                      {"EWHATEVER", Error::IoError}}) {
        answer = [&, text = word](const Message& message) {
            put(Type::error, message.header.req_id, std::string(text) + '\0');
        };
        EXPECT_TRUE(client.read("x", value) == error) << word;
    }
}

TEST_F(StoreClientTest, MessagesMayComeInAnyPieces)
{
    piece = 1;
    const std::string large(3000, 'x');
    answer = [&](const Message& message) { put(Type::read, message.header.req_id, large); };
    std::vector<char> room(4096);
    const auto length = client.read("x", room);
    ASSERT_TRUE(length.ok());
    EXPECT_EQ(std::string(room.data()), large);
    ASSERT_TRUE(client.write("x", large.c_str()).ok()); // three times the ring
    EXPECT_EQ(requests.back().payload.size(), 3002u);
}

TEST_F(StoreClientTest, WatchesFireOnceForManyEvents)
{
    unsigned fired = 0, other = 0;
    ASSERT_TRUE(client.watch("a", count, &fired).ok());
    const std::string token = requests[0].payload.substr(2, 1);
    ASSERT_TRUE(client.watch("b", count, &other).ok());
    put_event("a/x", token);
    put_event("a/y", token);
    flush();
    EXPECT_TRUE(client.watches_fired());
    EXPECT_TRUE(client.serve_watches());
    EXPECT_EQ(fired, 1u);
    EXPECT_EQ(other, 0u);
    EXPECT_FALSE(client.serve_watches());
    // One that comes while a reply is waited for is not lost.
    answer = [&](const Message& message) {
        put_event("a/z", token);
        put(Type::read, message.header.req_id, "v");
    };
    ASSERT_TRUE(client.read("x", value).ok());
    EXPECT_EQ(fired, 1u);
    EXPECT_TRUE(client.serve_watches());
    EXPECT_EQ(fired, 2u);
    client.unwatch("a", &fired);
    put_event("a/late", token);
    flush();
    EXPECT_FALSE(client.serve_watches());
}

TEST_F(StoreClientTest, HasRoomForSoManyWatchesAndNoMore)
{
    unsigned fired = 0;
    for (int i = 0; i < 64; ++i)
        ASSERT_TRUE(client.watch("w", count, &fired).ok());
    EXPECT_TRUE(client.watch("w", count, &fired) == Error::NoSpace);
    client.unwatch("w", &fired);
    EXPECT_TRUE(client.watch("w", count, &fired).ok());
}

TEST_F(StoreClientTest, RequestsOfATransactionCarryItsNumber)
{
    answer = [this](const Message& message) {
        put(message.header.type, message.header.req_id,
            message.header.type == Type::transaction_start ? std::string("42") + '\0' : "OK");
    };
    ASSERT_TRUE(client.start_transaction().ok());
    ASSERT_TRUE(client.write("x", "1").ok());
    ASSERT_TRUE(client.commit_transaction().ok());
    ASSERT_TRUE(client.write("y", "1").ok());
    EXPECT_EQ(requests[1].header.tx_id, 42u);
    EXPECT_EQ(requests[2].header.tx_id, 42u);
    EXPECT_EQ(requests[2].payload, std::string("T") + '\0');
    EXPECT_EQ(requests[3].header.tx_id, 0u);
}

// ---- A daemon that lies

TEST_F(StoreClientTest, RepliesToOthersAreNotOurs)
{
    answer = [this](const Message& message) {
        put(Type::read, message.header.req_id + 7, "not yours");
        put(Type::read, message.header.req_id, "yours");
    };
    ASSERT_TRUE(client.read("x", value).ok());
    EXPECT_STREQ(value, "yours");
}

TEST_F(StoreClientTest, AnImpossibleLengthEndsAllUse)
{
    answer = [this](const Message& message) {
        const Header header{Type::read, message.header.req_id, 0, 5000};
        out.append(reinterpret_cast<const char*>(&header), sizeof header);
    };
    EXPECT_TRUE(client.read("x", value) == Error::IoError);
    EXPECT_TRUE(client.read("x", value) == Error::IoError);
    EXPECT_FALSE(client.serve_watches());
}

TEST_F(StoreClientTest, AnImpossibleIndexEndsAllUse)
{
    answer = [this](const Message&) { page.rsp_prod += 2000; };
    EXPECT_TRUE(client.read("x", value) == Error::IoError);
    page = {};
    page.req_cons = 5; // ahead of what was asked
    EXPECT_TRUE(client.write("x", "1") == Error::IoError);
}

TEST_F(StoreClientTest, EventsWithoutEndsAreIgnored)
{
    unsigned fired = 0;
    ASSERT_TRUE(client.watch("a", count, &fired).ok());
    for (const std::string& payload :
         {std::string(), std::string("a"), std::string(4096, 'a'), std::string("a\0", 2), std::string("a\0-1", 4),
          std::string("a\0"
                      "99999999999999999999",
                      22)})
        put(Type::watch_event, 0, payload);
    for (int i = 0; i < 20; ++i) {
        flush();
        client.serve_watches();
    }
    EXPECT_EQ(fired, 0u);
    EXPECT_TRUE(client.write("x", "1").ok());
}

}
}
