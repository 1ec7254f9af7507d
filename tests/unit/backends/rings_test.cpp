// Where a frontend says that its disk's rings are.
#include "backends/block/rings.hpp"
#include "tests/unit/backends/memory_store.hpp"

#include <gtest/gtest.h>

namespace xylem::backends::block {

using test::MemoryStore;

struct DiskRings : testing::Test {
    std::string failure()
    {
        try {
            read_rings(store, "/front");
        } catch (const std::runtime_error& error) {
            return error.what();
        }
        return "";
    }
    MemoryStore store;
};

TEST_F(DiskRings, OneRingIsInTheFolderItself)
{
    store.write("/front/ring-ref", "8");
    store.write("/front/event-channel", "15");
    for (const char* queues : {"", "1"}) {
        if (*queues)
            store.write("/front/multi-queue-num-queues", queues);
        const auto rings = read_rings(store, "/front");
        ASSERT_EQ(rings.size(), 1u);
        EXPECT_EQ(rings[0].pages, std::vector<GrantRef>{GrantRef(8)});
        EXPECT_EQ(rings[0].port, Port(15));
    }
}

TEST_F(DiskRings, SeveralRingsHaveFoldersOfTheirOwn)
{
    store.write("/front/multi-queue-num-queues", "2");
    store.write("/front/ring-page-order", "1");
    for (const std::string queue : {"0", "1"}) {
        store.write("/front/queue-" + queue + "/ring-ref0", "1" + queue);
        store.write("/front/queue-" + queue + "/ring-ref1", "2" + queue);
        store.write("/front/queue-" + queue + "/event-channel", "3" + queue);
    }
    const auto rings = read_rings(store, "/front");
    ASSERT_EQ(rings.size(), 2u);
    EXPECT_EQ(rings[1].pages, (std::vector{GrantRef(11), GrantRef(21)}));
    EXPECT_EQ(rings[1].port, Port(31));
}

TEST_F(DiskRings, WhatIsMissingOrTooMuchIsNamed)
{
    EXPECT_EQ(failure(), "the frontend's node /front/event-channel is missing or no number");
    store.write("/front/event-channel", "99999999999");
    EXPECT_EQ(failure(), "the frontend's node /front/event-channel is missing or no number");
    store.write("/front/event-channel", "3");
    EXPECT_EQ(failure(), "the frontend's node /front/ring-ref is missing or no number");
    store.write("/front/multi-queue-num-queues", "0");
    EXPECT_EQ(failure(), "the frontend wants 0 queues; from 1 to 4 are served");
    store.write("/front/multi-queue-num-queues", "4000000000");
    EXPECT_EQ(failure(), "the frontend wants 4000000000 queues; from 1 to 4 are served");
    store.write("/front/multi-queue-num-queues", "3");
    EXPECT_EQ(failure(), "the frontend's node /front/queue-0/event-channel is missing or no number");
    store.write("/front/ring-page-order", "5");
    EXPECT_EQ(failure(), "the frontend wants a ring of 2^5 pages, but at most 2^4 are served");
}

}
