// What one guest may take of the store. (XSA-326, 416, 418 to 421)
#include "tests/unit/xenstore/store_test.hpp"

namespace xylem::xenstore {

constexpr Limits small{.nodes = 10,
                       .node_bytes = 200,
                       .watches = 3,
                       .transactions = 2,
                       .transaction_nodes = 8,
                       .permissions = 3,
                       .path_bytes = 64,
                       .memory_bytes = 3000,
                       .outstanding = 4,
                       .event_bytes = 200,
                       .snapshot_changes = 1000};

class LimitsTest : public StoreTest {
public:
    LimitsTest() : StoreTest(small)
    {
        introduce(1);
        ask("a", 0, Type::mkdir, "/g|");
        ask("a", 0, Type::set_perms, "/g|n1|");
    }
};

TEST_F(LimitsTest, Nodes)
{
    for (int i = 0; i < 9; ++i)
        EXPECT_EQ(ask("1", 0, Type::mkdir, "/g/" + std::to_string(i) + "|"), "OK|");
    run({
        {"1", 0, Type::mkdir, "/g/9|", "ENOSPC"},
        {"1", 0, Type::write, "/g/0|still", "OK|"},
        {"1", 0, Type::rm, "/g/0|", "OK|"},
        {"1", 0, Type::write, "/g/9/deep|", "ENOSPC"}, // two
        {"1", 0, Type::read, "/g/9|", "ENOENT"},       // and not one either
        {"1", 0, Type::mkdir, "/g/9|", "OK|"},
        {"a", 0, Type::mkdir, "/g/by-dom0|", "OK|"}, // dom0 knows no limits
    });
}

TEST_F(LimitsTest, NodesInTransactions)
{
    for (int i = 0; i < 7; ++i)
        EXPECT_EQ(ask("1", 0, Type::mkdir, "/g/" + std::to_string(i) + "|"), "OK|");
    run({
        {"1", 0, Type::transaction_start, "|", "1|"},
        {"1", 0, Type::transaction_start, "|", "2|"},
        {"1", 1, Type::mkdir, "/g/a|", "OK|"},
        {"1", 1, Type::mkdir, "/g/b|", "OK|"},
        {"1", 1, Type::mkdir, "/g/c|", "ENOSPC"},
        {"1", 2, Type::mkdir, "/g/d|", "OK|"},
        {"1", 1, Type::transaction_end, "T|", "OK|"},
        {"1", 2, Type::transaction_end, "T|", "ENOSPC"}, // there was room when it was asked, there is none now
    });
}

TEST_F(LimitsTest, BytesOfANode)
{
    EXPECT_EQ(ask("1", 0, Type::write, "/g/x|" + std::string(168, 'v')), "OK|");
    EXPECT_EQ(ask("1", 0, Type::write, "/g/x|" + std::string(169, 'v')), "ENOSPC");
    EXPECT_EQ(ask("1", 0, Type::write, "/g/new|" + std::string(169, 'v')), "ENOSPC");
    EXPECT_EQ(ask("1", 0, Type::read, "/g/new|"), "ENOENT");
    EXPECT_EQ(ask("a", 0, Type::write, "/g/x|" + std::string(2000, 'v')), "OK|");
}

TEST_F(LimitsTest, BytesOfADirectorysNames)
{
    int made = 0;
    while (made < 9 && ask("1", 0, Type::mkdir, "/g/" + std::string(40, static_cast<char>('a' + made)) + "|") == "OK|")
        ++made;
    EXPECT_EQ(made, 4); // 24 + 8 + 4 × 41 = 196
}

TEST_F(LimitsTest, Watches)
{
    run({
        {"1", 0, Type::watch, "/a|t|", "OK|"},
        {"1", 0, Type::watch, "/b|t|", "OK|"},
        {"1", 0, Type::watch, "/c|t|", "OK|"},
        {"1", 0, Type::watch, "/d|t|", "E2BIG"},
        {"1", 0, Type::unwatch, "/a|t|", "OK|"},
        {"1", 0, Type::watch, "/d|t|", "OK|"},
    });
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(ask("a", 0, Type::watch, "/a|" + std::to_string(i) + "|"), "OK|");
}

TEST_F(LimitsTest, TransactionsAndWhatTheyTouch)
{
    run({
        {"1", 0, Type::transaction_start, "|", "1|"},
        {"1", 0, Type::transaction_start, "|", "2|"},
        {"1", 0, Type::transaction_start, "|", "ENOSPC"},
    });
    int touched = 0;
    while (touched < 100 && ask("1", 1, Type::read, "/g/" + std::to_string(touched) + "|") == "ENOENT")
        ++touched;
    EXPECT_LE(touched, 8);
    run({{"1", 1, Type::transaction_end, "T|", "OK|"}, {"1", 0, Type::transaction_start, "|", "3|"}});
}

TEST_F(LimitsTest, EntriesOfPermissions)
{
    run({
        {"1", 0, Type::set_perms, "/g|n1|r2|r3|", "OK|"},
        {"1", 0, Type::set_perms, "/g|n1|r2|r3|r4|", "ENOSPC"},
        {"a", 0, Type::set_perms, "/g|n1|r2|r3|r4|", "OK|"},
    });
}

TEST_F(LimitsTest, Memory)
{
    const std::string token(900, 't');
    EXPECT_EQ(ask("1", 0, Type::watch, "/a|" + token + "|"), "OK|");
    EXPECT_EQ(ask("1", 0, Type::watch, "/b|" + token + "|"), "OK|");
    EXPECT_EQ(ask("1", 0, Type::watch, "/c|" + token + "|"), "OK|");
    EXPECT_EQ(ask("1", 0, Type::write, "/g/x|" + std::string(150, 'v')), "OK|");
    EXPECT_EQ(ask("1", 0, Type::write, "/g/y|" + std::string(150, 'v')), "ENOMEM");
    EXPECT_EQ(ask("1", 0, Type::unwatch, "/c|" + token + "|"), "OK|");
    EXPECT_EQ(ask("1", 0, Type::write, "/g/y|" + std::string(150, 'v')), "OK|");
}

TEST_F(LimitsTest, TheLogTellsOfADomainThatComesNearToItsMemory)
{
    const std::string token(900, 't');
    ask("a", 0, Type::control, "quota-soft|set|memory|1000|");
    EXPECT_EQ(ask("1", 0, Type::watch, "/a|" + token + "|"), "OK|");
    EXPECT_TRUE(surroundings.printed.empty());
    EXPECT_EQ(ask("1", 0, Type::watch, "/b|" + token + "|"), "OK|");
    EXPECT_EQ(ask("1", 0, Type::watch, "/c|" + token + "|"), "OK|");
    EXPECT_EQ(surroundings.printed, std::vector<std::string>{"Domain 1 exceeds soft memory quota"});
    EXPECT_EQ(ask("1", 0, Type::reset_watches, "|"), "OK|");
    EXPECT_EQ(surroundings.printed.back(), "Domain 1 below soft memory quota again");
}

TEST_F(LimitsTest, RequestsOfAClientThatDoesNotReadAreNotTaken)
{
    for (int i = 0; i < 4; ++i) {
        EXPECT_TRUE(server.accepts_requests(connection("1")));
        send("1", 0, Type::read, "/g|");
    }
    EXPECT_FALSE(server.accepts_requests(connection("1")));
    read_all("1");
    EXPECT_TRUE(server.accepts_requests(connection("1")));
}

TEST_F(LimitsTest, EventsOfAClientThatDoesNotReadAreSummedUp)
{
    run({{"1", 0, Type::watch, "/g|t|", "OK|"}});
    events("1");
    for (int i = 0; i < 1000; ++i)
        ask("a", 0, Type::write, "/g/node-" + std::to_string(i) + "|v");
    EXPECT_LE(connection("1").output.event_bytes(), small.event_bytes);
    const std::string told = events("1");
    EXPECT_TRUE(told.starts_with("/g/node-0 t, /g/node-1 t, ")) << told;
    EXPECT_TRUE(told.ends_with(", /g t")) << told; // look at all of it again
    ask("a", 0, Type::write, "/g/last|v");
    EXPECT_EQ(events("1"), "/g/last t");
}

TEST_F(LimitsTest, AnOldTransactionOfAGuestLosesItsSnapshot)
{
    run({{"1", 0, Type::transaction_start, "|", "1|"}, {"1", 1, Type::write, "/g/mine|1", "OK|"}});
    for (int i = 0; i < 1500; ++i)
        ask("a", 0, Type::write, "/unrelated|" + std::to_string(i));
    run({
        {"1", 1, Type::write, "/g/mine|2", "OK|"}, // goes nowhere
        {"1", 0, Type::read, "/g/mine|", "ENOENT"},
        {"1", 1, Type::transaction_end, "T|", "EAGAIN"},
    });
}

TEST_F(LimitsTest, Paths)
{
    EXPECT_EQ(ask("1", 0, Type::mkdir, "/g/" + std::string(61, 'x') + "|"), "OK|");
    EXPECT_EQ(ask("1", 0, Type::mkdir, "/g/" + std::string(62, 'x') + "|"), "EINVAL");
}

}
