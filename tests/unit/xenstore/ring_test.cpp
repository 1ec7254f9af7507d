// The link to a domain, whose page the domain may fill with whatever it likes.
#include "xenstore/daemon/ring_link.hpp"
#include "xenstore/daemon/session.hpp"

#include "tests/unit/xenstore/store_test.hpp"

#include <cstring>
#include <random>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xylem::xenstore {

using abi::io::xenstore_ring_size;

class RingTest : public StoreTest {
public:
    RingTest()
    {
        introduce(1);
        journal.set_state("");
        session = std::make_unique<Session>(server, connection("1"), Session::Peer::domain, journal, log);
        auto link = std::make_unique<RingLink>(page, session->progress(), [this] {
            ++notifications;
            if (on_notification)
                on_notification();
        });
        ring = link.get();
        ring->start_anew();
        session->attach(std::move(link));
        EXPECT_TRUE(log.open("/dev/null").ok());
        ask("a", 0, Type::write, "/open|some value");
        ask("a", 0, Type::set_perms, "/open|b0|");
    }

    void put(std::string_view bytes)
    {
        for (char c : bytes)
            page.req[page.req_prod++ % xenstore_ring_size] = c;
    }
    std::string take()
    {
        std::string bytes;
        while (page.rsp_cons != page.rsp_prod)
            bytes += page.rsp[page.rsp_cons++ % xenstore_ring_size];
        return bytes;
    }
    void pump_until_quiet()
    {
        for (int i = 0; i < 10000 && session->pump(); ++i) {
        }
    }

    RingLink::Page page{};
    RingLink* ring = nullptr;
    Log log;
    int memory = memfd_create("journal", MFD_CLOEXEC);
    Journal journal{memory};
    std::unique_ptr<Session> session;
    int notifications = 0;
    std::function<void()> on_notification;
};

TEST_F(RingTest, ARequestIsAnsweredAndBothSidesAreTold)
{
    put(encode({Type::read, 5, 0, wire("/open|")}));
    pump_until_quiet();
    EXPECT_EQ(take(), encode({Type::read, 5, 0, "some value"}));
    EXPECT_EQ(page.req_cons, page.req_prod);
    EXPECT_GE(notifications, 2);
    EXPECT_EQ(page.server_features, 3U);
}

TEST_F(RingTest, IndicesMayWrapAndMessagesMayBeLongerThanTheRing)
{
    ask("a", 0, Type::watch, "/open|t|");
    page.req_cons = page.req_prod = page.rsp_cons = page.rsp_prod = 0xFFFFFFF0;
    session->set_progress(RingLink::progress_of(page));
    const std::string value(2000, 'v');
    const std::string request = encode({Type::write, 5, 0, wire("/open|") + value});
    put(request.substr(0, 1000));
    pump_until_quiet();
    put(request.substr(1000, 900));
    pump_until_quiet();
    put(request.substr(1900));
    pump_until_quiet();
    EXPECT_EQ(take(), encode({Type::write, 5, 0, wire("OK|")}));
    put(encode({Type::read, 6, 0, wire("/open|")}));
    std::string reply;
    for (int i = 0; i < 5; ++i) {
        pump_until_quiet();
        reply += take();
    }
    EXPECT_EQ(reply, encode({Type::read, 6, 0, value}));
}

TEST_F(RingTest, ImpossibleIndicesEndTheConnectionAndNothingElse)
{
    page.req_prod = page.req_cons + xenstore_ring_size + 1;
    pump_until_quiet();
    EXPECT_EQ(page.error, abi::io::xenstore_error_ringidx);
    EXPECT_TRUE(connection("1").is_ignored);
    EXPECT_FALSE(session->is_over()); // its domain lives
    EXPECT_EQ(ask("a", 0, Type::read, "/open|"), "some value");
}

TEST_F(RingTest, ImpossibleIndicesOfRepliesDoToo)
{
    page.rsp_cons = page.rsp_prod + 1;
    put(encode({Type::read, 5, 0, wire("/open|")}));
    pump_until_quiet();
    EXPECT_EQ(page.error, abi::io::xenstore_error_ringidx);
    EXPECT_TRUE(connection("1").output.empty());
}

TEST_F(RingTest, AMessageLongerThanPermittedEndsTheConnection)
{
    const XsMessageHeader header{Type::write, 1, 0, 4097};
    put({reinterpret_cast<const char*>(&header), sizeof header});
    pump_until_quiet();
    EXPECT_EQ(page.error, abi::io::xenstore_error_proto);
    EXPECT_TRUE(connection("1").is_ignored);
}

TEST_F(RingTest, AGuestThatDoesNotReadIsNotServedFurther)
{
    for (int i = 0; i < 200; ++i) {
        put(encode({Type::read, 5, 0, wire("/open|")}));
        pump_until_quiet();
    }
    EXPECT_LE(connection("1").output.replies(), Limits().outstanding);
    std::size_t replies = 0;
    for (int i = 0; i < 400; ++i) {
        replies += take().size();
        pump_until_quiet();
    }
    EXPECT_EQ(replies % encode({Type::read, 5, 0, "some value"}).size(), 0U);
}

// It begins to read at the moment at which it has left so much unread that nothing more of it is taken: what it has
// asked before is served, though nobody wakes us for that.
TEST_F(RingTest, AGuestThatReadsAgainIsServedAtOnce)
{
    ask("a", 0, Type::write, "/open|" + std::string(1000, 'v'));
    constexpr std::size_t requests = 40;
    for (std::size_t i = 0; i < requests; ++i)
        put(encode({Type::read, 5, 0, wire("/open|")}));
    std::size_t read = 0;
    bool is_reading = false;
    on_notification = [&] {
        is_reading |= connection("1").output.replies() + 1 >= Limits().outstanding;
        if (is_reading)
            read += take().size();
    };
    pump_until_quiet();
    EXPECT_EQ(read, requests * (sizeof(XsMessageHeader) + 1000));
}

TEST_F(RingTest, AReconnectBeginsAnew)
{
    put("half a head");
    pump_until_quiet();
    page.connection = abi::io::xenstore_reconnect;
    EXPECT_TRUE(ring->wants_reconnect());
    server.listen_anew(connection("1"));
    session->start_anew();
    ring->complete_reconnect();
    EXPECT_EQ(page.connection, abi::io::xenstore_connected);
    EXPECT_EQ(page.req_prod, 0U);
    put(encode({Type::read, 5, 0, wire("/open|")}));
    pump_until_quiet();
    EXPECT_EQ(take(), encode({Type::read, 5, 0, "some value"}));
}

// A daemon may die after it has journaled what it has read or sent, and before the domain could see it.
TEST_F(RingTest, ASuccessorDoesWhatThePageLacksAndNothingTwice)
{
    put(encode({Type::read, 5, 0, wire("/open|")}) + encode({Type::read, 6, 0, wire("/open|")}));
    const RingLink::Page before = page;
    pump_until_quiet();
    const std::string replies = take();
    EXPECT_EQ(replies, encode({Type::read, 5, 0, "some value"}) + encode({Type::read, 6, 0, "some value"}));

    const std::string last = encode({Type::read, 6, 0, "some value"});
    const u32 sent = page.rsp_prod;
    page.req_cons = before.req_cons; // as if nothing had been seen to be read
    page.rsp_prod = sent - static_cast<u32>(last.size());
    page.rsp_cons = page.rsp_prod;
    std::memset(page.rsp + page.rsp_prod, 0, last.size());
    ring->resume(last);
    EXPECT_EQ(take(), last);
    EXPECT_EQ(page.req_cons, page.req_prod);
    ring->resume(last); // once more changes nothing
    EXPECT_EQ(take(), "");
    EXPECT_EQ(page.rsp_prod, sent);
}

// Whatever stands in the page, the daemon neither falls over nor serves others less.
TEST_F(RingTest, RandomPagesHarmNobodyElse)
{
    std::mt19937 random(1);
    for (int round = 0; round < 3000; ++round) {
        auto* words = reinterpret_cast<u32*>(&page);
        const unsigned changes = random() % 8;
        for (unsigned i = 0; i < changes; ++i)
            words[random() % (sizeof page / 4)] = random() % 3 ? random() % 4200 : random();
        page.req_prod = page.req_cons + random() % 1100;
        for (int i = 0; i < 20 && session->pump(); ++i) {
        }
        if (round % 10 == 0) {
            server.listen_anew(connection("1"));
            session->start_anew();
            ring->start_anew();
        }
        ASSERT_EQ(ask("a", 0, Type::read, "/tool/xenstored|"), "");
    }
    EXPECT_EQ(server.check(), "");
}

// Well-formed headers with any numbers and payloads reach deeper than random pages.
TEST_F(RingTest, RandomMessagesLeaveTheBooksRight)
{
    std::mt19937 random(2);
    const std::vector<std::string> pieces = {"/open", "/open/x", "|",    "||",         "t",  "@releaseDomain",
                                             "T|",    "F|",      "n1",   "b2",         "1",  "/",
                                             "//",    "control", "\xff", "4294967295", "-1", std::string(300, 'x')};
    for (int round = 0; round < 20000; ++round) {
        Message message{
            static_cast<Type>(random() % 25), static_cast<u32>(random() % 3), static_cast<u32>(random() % 4), {}};
        const unsigned parts = random() % 5;
        for (unsigned i = 0; i < parts; ++i)
            message.payload += wire(pieces[random() % pieces.size()]) + (random() % 2 ? std::string(1, '\0') : "");
        for (const char* who : {"1", "a"}) {
            server.handle(connection(who), message);
            if (random() % 4 == 0)
                while (!connection(who).output.empty())
                    server.sent(connection(who), connection(who).output.front().size());
        }
    }
    EXPECT_EQ(server.check(), "");
}

class JournalTest : public testing::Test {
public:
    JournalTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0); }
    ~JournalTest() override
    {
        for (int fd : {memory, ends[0], ends[1]})
            close(fd);
    }

    int memory = memfd_create("journal", MFD_CLOEXEC);
    int ends[2] = {};
};

TEST_F(JournalTest, ASuccessorReadsTheStateAndWhatFollowed)
{
    {
        Journal journal(memory);
        EXPECT_FALSE(journal.has_state());
        journal.set_state("first");
        journal.append(Journal::Kind::client, 0, 5);
        journal.set_state("second");
        journal.append(Journal::Kind::sent, 7, 8);
        journal.append(Journal::Kind::domains, 0, 0, "bytes");
        ASSERT_EQ(write(ends[1], "hello", 5), 5);
        EXPECT_EQ(journal.receive(ends[0], 9, 100), 5);
        EXPECT_EQ(journal.received(5), "hello");
        EXPECT_FALSE(journal.is_replaying());
    }
    Journal journal(memory);
    ASSERT_TRUE(journal.has_state());
    EXPECT_EQ(journal.state(), "second");
    EXPECT_EQ(journal.next()->value, 8U);
    EXPECT_EQ(journal.next()->bytes, "bytes");
    const std::optional<Journal::Record> received = journal.next();
    EXPECT_EQ(received->kind, Journal::Kind::received);
    EXPECT_EQ(received->connection, 9U);
    EXPECT_EQ(received->bytes, "hello");
    EXPECT_FALSE(journal.next());
}

TEST_F(JournalTest, ItGrowsAndIsReplacedWhenItHasGrown)
{
    Journal journal(memory);
    journal.set_state(std::string(3'000'000, 's'));
    const std::string bytes(4000, 'b');
    unsigned records = 0;
    for (; !journal.wants_state(); ++records)
        journal.append(Journal::Kind::received, 1, records, bytes);
    EXPECT_GT(records, 700U);
    for (int i = 0; i < 3000; ++i)
        journal.append(Journal::Kind::received, 1, records++, bytes); // there is time
    Journal successor(memory);
    EXPECT_EQ(successor.state().size(), 3'000'000U);
    for (unsigned i = 0; i < records; ++i)
        ASSERT_EQ(successor.next()->value, i);
    EXPECT_FALSE(successor.next());
    successor.set_state("small");
    EXPECT_FALSE(Journal(memory).wants_state());
}

TEST_F(JournalTest, ARequestThatKillsIsCountedWhileItIsServedAndThenRefused)
{
    {
        Journal journal(memory);
        journal.set_state("");
        journal.append(Journal::Kind::request, 1);
        EXPECT_EQ(journal.begin_request(), 0U);
        journal.end_request();
        journal.append(Journal::Kind::request, 2);
        EXPECT_EQ(journal.begin_request(), 0U);
        journal.append(Journal::Kind::exists, 0, 1);
    }
    for (u32 death = 1; death <= 3; ++death) {
        Journal journal(memory);
        EXPECT_EQ(journal.next()->connection, 1U);
        EXPECT_EQ(journal.begin_request(), 0U);
        journal.end_request();
        EXPECT_EQ(journal.next()->connection, 2U);
        EXPECT_EQ(journal.begin_request(), death);
        if (death == 3)
            journal.refuse_request();
    }
    Journal journal(memory);
    EXPECT_EQ(journal.next()->kind, Journal::Kind::request);
    EXPECT_EQ(journal.next()->kind, Journal::Kind::refused);
    EXPECT_FALSE(journal.next());
}

TEST(Assembler, PutsMessagesTogetherFromAnyPieces)
{
    const std::string stream =
        encode({Type::read, 1, 2, "one"}) + encode({Type::write, 3, 4, ""}) + encode({Type::rm, 5, 6, "x"});
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        Assembler assembler;
        std::string got;
        for (std::size_t at = 0; at < stream.size(); at += piece) {
            assembler.append(std::string_view(stream).substr(at, piece));
            for (;;) {
                Result<std::optional<Message>> next = assembler.next();
                ASSERT_TRUE(next.ok());
                const std::optional<Message> message = next.take();
                if (!message)
                    break;
                got += encode(*message);
            }
        }
        EXPECT_EQ(got, stream);
    }
}

}
