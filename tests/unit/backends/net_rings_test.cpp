// Where a frontend says that its interface's rings are.
#include "backends/net/rings.hpp"
#include "tests/unit/backends/memory_store.hpp"

#include <gtest/gtest.h>

namespace xylem::backends::net {

struct NetRings : testing::Test {
    void put(const std::string& node, const std::string& value) { store.write("/front/" + node, value); }
    std::string failure()
    {
        try {
            read_rings(store, "/front");
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "";
    }
    test::MemoryStore store;
};

TEST_F(NetRings, OnePairIsInTheFolderItself)
{
    put("tx-ring-ref", "8");
    put("rx-ring-ref", "9");
    put("event-channel", "15");
    for (const char* queues : {"", "1"}) {
        if (*queues)
            put("multi-queue-num-queues", queues);
        const auto rings = read_rings(store, "/front");
        ASSERT_EQ(rings.size(), 1u);
        EXPECT_EQ(rings[0].transmit_page, GrantRef(8));
        EXPECT_EQ(rings[0].receive_page, GrantRef(9));
        EXPECT_EQ(rings[0].transmit_port, Port(15));
        EXPECT_FALSE(rings[0].receive_port);
    }
}

TEST_F(NetRings, SeveralPairsHaveFoldersOfTheirOwn)
{
    put("multi-queue-num-queues", "2");
    for (const std::string queue : {"0", "1"}) {
        put("queue-" + queue + "/tx-ring-ref", "1" + queue);
        put("queue-" + queue + "/rx-ring-ref", "2" + queue);
        put("queue-" + queue + "/event-channel-tx", "3" + queue);
        put("queue-" + queue + "/event-channel-rx", "4" + queue);
    }
    const auto rings = read_rings(store, "/front");
    ASSERT_EQ(rings.size(), 2u);
    EXPECT_EQ(rings[1].transmit_page, GrantRef(11));
    EXPECT_EQ(rings[1].receive_page, GrantRef(21));
    EXPECT_EQ(rings[1].transmit_port, Port(31));
    EXPECT_EQ(rings[1].receive_port, Port(41));
}

TEST_F(NetRings, WhatIsMissingOrTooMuchIsNamed)
{
    EXPECT_EQ(failure(), "the frontend's node /front/tx-ring-ref is missing or no number");
    put("tx-ring-ref", "99999999999");
    EXPECT_EQ(failure(), "the frontend's node /front/tx-ring-ref is missing or no number");
    put("tx-ring-ref", "8");
    EXPECT_EQ(failure(), "the frontend's node /front/rx-ring-ref is missing or no number");
    put("rx-ring-ref", "9");
    EXPECT_EQ(failure(), "the frontend's node /front/event-channel is missing or no number");
    put("event-channel-tx", "3");
    EXPECT_EQ(failure(), "the frontend's node /front/event-channel-rx is missing or no number");
    put("multi-queue-num-queues", "0");
    EXPECT_EQ(failure(), "the frontend wants 0 queues; from 1 to 4 are served");
    put("multi-queue-num-queues", "4000000000");
    EXPECT_EQ(failure(), "the frontend wants 4000000000 queues; from 1 to 4 are served");
    put("multi-queue-num-queues", "3");
    EXPECT_EQ(failure(), "the frontend's node /front/queue-0/tx-ring-ref is missing or no number");
}

}
