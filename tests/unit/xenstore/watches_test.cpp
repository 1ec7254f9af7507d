// Who learns of what.
#include "tests/unit/xenstore/store_test.hpp"

#include <cstring>

namespace xylem::xenstore {

using Watches = StoreTest;

TEST_F(Watches, AWatchFiresOnceAtItsRegistration)
{
    run({{"a", 0, Type::watch, "/x|t|", "OK|"}});
    EXPECT_EQ(events("a"), "/x t");
}

TEST_F(Watches, TheFirstEventComesBehindTheReply)
{
    send("a", 0, Type::watch, "/x|t|");
    XsMessageHeader header;
    std::memcpy(&header, connection("a").output.front().data(), sizeof header);
    EXPECT_EQ(header.type, Type::watch);
}

TEST_F(Watches, EachChangeAtOrBelowThePathIsTold)
{
    run({{"a", 0, Type::watch, "/x|t|", "OK|"}});
    events("a");
    for (const auto& [type, request, event] : std::initializer_list<std::tuple<Type, const char*, const char*>>{
             {Type::write, "/x/y|1", "/x/y t"},
             {Type::write, "/x/y|1", "/x/y t"}, // the same value again
             {Type::mkdir, "/x/z|", "/x/z t"},
             {Type::mkdir, "/x/z|", ""}, // nothing happens
             {Type::set_perms, "/x/y|r0|", "/x/y t"},
             {Type::rm, "/x/y|", "/x/y t"},
             {Type::rm, "/x/y|", ""},
             {Type::write, "/xx|1", ""}, // a neighbour with a like name
             {Type::write, "/q|1", ""},
             {Type::rm, "/x|", "/x t"},
             {Type::write, "/x/deep/down|1", "/x/deep/down t"},
         }) {
        EXPECT_EQ(ask("b", 0, type, request), "OK|");
        EXPECT_EQ(events("a"), event) << name_of(type) << " " << request;
    }
}

TEST_F(Watches, RemovalOfATreeIsToldToWatchesInsideByTheirOwnPaths)
{
    run({
        {"a", 0, Type::write, "/x/y/z|1", "OK|"},
        {"a", 0, Type::write, "/x/q|1", "OK|"},
        {"a", 0, Type::watch, "/x/y/z|z|", "OK|"},
        {"a", 0, Type::watch, "/x/not-there|n|", "OK|"},
        {"a", 0, Type::watch, "/x|x|", "OK|"},
        {"a", 0, Type::watch, "/|r|", "OK|"},
    });
    events("a");
    run({{"b", 0, Type::rm, "/x|", "OK|"}});
    EXPECT_EQ(events("a"), "/x/y/z z, /x x, /x r");
}

TEST_F(Watches, ARelativeWatchIsToldRelativePaths)
{
    run({
        {"a", 0, Type::mkdir, "/local/domain/1|", "OK|"},
        {"a", 0, Type::mkdir, "/local/domain/1/device|", "OK|"},
        {"1", 0, Type::watch, "device|t|", "OK|"},
        {"a", 0, Type::set_perms, "/local/domain/1/device|n1|", "OK|"},
        {"1", 0, Type::watch, "/local/domain/1/device|abs|", "OK|"},
    });
    events("1");
    run({{"a", 0, Type::write, "/local/domain/1/device/vbd/0|x", "OK|"}});
    EXPECT_EQ(events("1"), "device/vbd/0 t, /local/domain/1/device/vbd/0 abs");
    run({{"1", 0, Type::unwatch, "device|t|", "OK|"}, {"1", 0, Type::unwatch, "device|t|", "ENOENT"}});
}

TEST_F(Watches, PathAndTokenTogetherNameAWatch)
{
    run({
        {"a", 0, Type::watch, "/x|t|", "OK|"},
        {"a", 0, Type::watch, "/x|t|", "EEXIST"},
        {"a", 0, Type::watch, "/x|u|", "OK|"},
        {"b", 0, Type::watch, "/x|t|", "OK|"},
        {"a", 0, Type::unwatch, "/x|v|", "ENOENT"},
        {"a", 0, Type::unwatch, "/x|t|", "OK|"},
    });
    events("a");
    events("b");
    run({{"a", 0, Type::write, "/x|1", "OK|"}});
    EXPECT_EQ(events("a"), "/x u");
    EXPECT_EQ(events("b"), "/x t");
}

TEST_F(Watches, ABadWatchIsRefused)
{
    run({
        {"a", 0, Type::watch, "/x|", "EINVAL"},
        {"a", 0, Type::watch, "/x/|t|", "EINVAL"},
        {"a", 0, Type::watch, "|t|", "EINVAL"},
        {"a", 0, Type::watch, "/x|t|5|", "EINVAL"},
        {"a", 0, Type::watch, "@anything|t|", "OK|"},
    });
}

// XSA-115: a watch told unprivileged domains of nodes that they could not read.
TEST_F(Watches, AGuestHearsOnlyOfWhatItMayReadHereOrAbove)
{
    run({
        {"1", 0, Type::watch, "/|t|", "OK|"},
        {"a", 0, Type::mkdir, "/hidden|", "OK|"},
        {"a", 0, Type::mkdir, "/open|", "OK|"},
        {"a", 0, Type::set_perms, "/open|n0|r1|", "OK|"},
    });
    events("1");
    run({{"a", 0, Type::write, "/hidden/x|1", "OK|"}});
    EXPECT_EQ(events("1"), "");
    run({{"a", 0, Type::write, "/open/x|1", "OK|"}});
    EXPECT_EQ(events("1"), "/open/x t");
    run({{"a", 0, Type::set_perms, "/open/x|n0|", "OK|"}});
    EXPECT_EQ(events("1"), "/open/x t"); // it loses the node, and is told so
    run({{"a", 0, Type::write, "/open/x|2", "OK|"}});
    EXPECT_EQ(events("1"), "/open/x t"); // the node above is readable
    run({{"a", 0, Type::set_perms, "/open|n0|", "OK|"}});
    events("1");
    run({{"a", 0, Type::write, "/open/x|3", "OK|"}, {"a", 0, Type::rm, "/open|", "OK|"}});
    EXPECT_EQ(events("1"), "");
}

TEST_F(Watches, RemovalIsToldToWhoCouldReadTheNode)
{
    introduce(1);
    run({
        {"a", 0, Type::write, "/dir/x|1", "OK|"},
        {"a", 0, Type::set_perms, "/dir/x|n0|r1|", "OK|"},
        {"1", 0, Type::watch, "/dir/x|t|", "OK|"},
    });
    events("1");
    run({{"a", 0, Type::rm, "/dir|", "OK|"}});
    EXPECT_EQ(events("1"), "/dir/x t");
}

TEST_F(Watches, AnEventThatWaitsIsNotRepeated)
{
    run({{"a", 0, Type::watch, "/x|t|", "OK|"}});
    events("a");
    run({{"b", 0, Type::write, "/x|1", "OK|"},
         {"b", 0, Type::write, "/x|2", "OK|"},
         {"b", 0, Type::write, "/x/y|2", "OK|"}});
    EXPECT_EQ(events("a"), "/x t, /x/y t");
}

TEST_F(Watches, ResetDropsWatchesAndTransactionsOfTheCallerAlone)
{
    run({
        {"a", 0, Type::watch, "/x|t|", "OK|"},
        {"b", 0, Type::watch, "/x|t|", "OK|"},
        {"a", 0, Type::transaction_start, "|", "1|"},
        {"b", 0, Type::transaction_start, "|", "1|"},
        {"a", 0, Type::reset_watches, "|", "OK|"},
        {"a", 1, Type::read, "/|", "ENOENT"},
        {"b", 1, Type::read, "/|", ""},
    });
    events("a");
    events("b");
    run({{"a", 0, Type::write, "/x|1", "OK|"}});
    EXPECT_EQ(events("a"), "");
    EXPECT_EQ(events("b"), "/x t");
}

}
