// Reading and changing nodes.
#include "tests/unit/xenstore/store_test.hpp"

namespace xylem::xenstore {

using Nodes = StoreTest;

TEST_F(Nodes, AStoreBeginsWithItsOwnDirectories)
{
    run({
        {"a", 0, Type::directory, "/|", "tool|local|"},
        {"a", 0, Type::directory, "/tool|", "xenstored|"},
        {"a", 0, Type::directory, "/local|", "domain|"},
        {"a", 0, Type::get_perms, "/|", "n0|"},
    });
}

TEST_F(Nodes, AWriteCreatesTheNodeAndWhatIsMissingAbove)
{
    run({
        {"a", 0, Type::write, "/x/y/z|value", "OK|"},
        {"a", 0, Type::read, "/x/y/z|", "value"},
        {"a", 0, Type::read, "/x/y|", ""},
        {"a", 0, Type::directory, "/x|", "y|"},
        {"a", 0, Type::write, "/x/y/z|", "OK|"},
        {"a", 0, Type::read, "/x/y/z|", ""},
    });
}

TEST_F(Nodes, AValueMayHoldZeroBytes)
{
    run({
        {"a", 0, Type::write, "/x|a|b||", "OK|"},
        {"a", 0, Type::read, "/x|", "a|b||"},
    });
}

TEST_F(Nodes, ChildrenAreListedInOrderOfCreation)
{
    run({
        {"a", 0, Type::mkdir, "/x/zebra|", "OK|"},
        {"a", 0, Type::mkdir, "/x/ant|", "OK|"},
        {"a", 0, Type::mkdir, "/x/mouse|", "OK|"},
        {"a", 0, Type::rm, "/x/ant|", "OK|"},
        {"a", 0, Type::mkdir, "/x/ant|", "OK|"},
        {"a", 0, Type::directory, "/x|", "zebra|mouse|ant|"},
    });
}

TEST_F(Nodes, MakingANodeThatExistsKeepsItsValue)
{
    run({
        {"a", 0, Type::write, "/x|kept", "OK|"},
        {"a", 0, Type::mkdir, "/x|", "OK|"},
        {"a", 0, Type::read, "/x|", "kept"},
    });
}

TEST_F(Nodes, RemovalTakesWhatLiesBelow)
{
    run({
        {"a", 0, Type::write, "/x/y/z|1", "OK|"},
        {"a", 0, Type::rm, "/x|", "OK|"},
        {"a", 0, Type::read, "/x/y/z|", "ENOENT"},
        {"a", 0, Type::read, "/x|", "ENOENT"},
    });
}

TEST_F(Nodes, RemovingWhatIsMissingIsFineIfItsParentIsThere)
{
    run({
        {"a", 0, Type::rm, "/x|", "OK|"},
        {"a", 0, Type::rm, "/x/y|", "ENOENT"},
        {"a", 0, Type::rm, "/|", "EINVAL"},
    });
}

TEST_F(Nodes, ABadPathIsRefused)
{
    for (const char* path : {"", "//", "/x/", "/x//y", "/x y", "/x.y", "/\xc3\xa4", "@x", "/x\n"}) {
        EXPECT_EQ(ask("a", 0, Type::write, std::string(path) + "|v"), "EINVAL") << path;
        EXPECT_EQ(ask("a", 0, Type::read, std::string(path) + "|"), "EINVAL") << path;
    }
    run({
        {"a", 0, Type::write, "/A-z_0@9|v", "OK|"},
        {"a", 0, Type::read, "/x", "EINVAL"},    // no zero byte
        {"a", 0, Type::read, "/x|y|", "EINVAL"}, // two
        {"a", 0, Type::write, "/x", "EINVAL"},
        {"a", 0, Type::read, "", "EINVAL"},
    });
}

// Each domain has 2048 bytes below its own directory, wherever that is.
TEST_F(Nodes, APathIsTooLongFrom2049BytesOn)
{
    const std::string longest = "/" + std::string(2047, 'x');
    EXPECT_EQ(ask("a", 0, Type::write, longest + "|v"), "OK|");
    EXPECT_EQ(ask("a", 0, Type::write, longest + "x|v"), "EINVAL");
    EXPECT_EQ(ask("a", 0, Type::write, "/local/domain/12345" + longest + "x|v"), "OK|");
    EXPECT_EQ(ask("a", 0, Type::write, "/local/domain/12345" + longest + "xx|v"), "EINVAL");
}

TEST_F(Nodes, ARelativePathBeginsAtTheDomainsOwnDirectory)
{
    run({
        {"a", 0, Type::write, "name|Domain-0", "OK|"},
        {"a", 0, Type::read, "/local/domain/0/name|", "Domain-0"},
        {"a", 0, Type::mkdir, "/local/domain/1|", "OK|"},
        {"1", 0, Type::read, "name|", "EACCES"},
        {"a", 0, Type::set_perms, "/local/domain/1|n1|", "OK|"},
        {"1", 0, Type::write, "data/x|7", "OK|"},
        {"a", 0, Type::read, "/local/domain/1/data/x|", "7"},
    });
}

TEST_F(Nodes, AListingThatDoesNotFitComesInParts)
{
    std::string all;
    for (int i = 0; i < 500; ++i) {
        const std::string name = "node-number-" + std::to_string(i);
        ASSERT_EQ(ask("a", 0, Type::mkdir, "/x/" + name + "|"), "OK|");
        all += name + "|";
    }
    EXPECT_EQ(ask("a", 0, Type::directory, "/x|"), "E2BIG");
    std::string got;
    std::string generation;
    for (;;) {
        const std::string part = ask("a", 0, Type::directory_part, "/x|" + std::to_string(got.size()) + "|");
        ASSERT_LE(part.size(), 4096U);
        const std::size_t bar = part.find('|');
        EXPECT_TRUE(generation.empty() || generation == part.substr(0, bar));
        generation = part.substr(0, bar);
        got += part.substr(bar + 1);
        if (got.ends_with("||"))
            break;
    }
    EXPECT_EQ(got, all + "|");
    ASSERT_EQ(ask("a", 0, Type::mkdir, "/x/new|"), "OK|");
    EXPECT_FALSE(ask("a", 0, Type::directory_part, "/x|0|").starts_with(generation + "|"));
    EXPECT_EQ(ask("a", 0, Type::directory_part, "/tool/xenstored|0|").substr(1), "||");
    EXPECT_EQ(ask("a", 0, Type::directory_part, "/x|99999999|").size(), generation.size() + 2);
    EXPECT_EQ(ask("a", 0, Type::directory_part, "/x|-1|"), "EINVAL");
    EXPECT_EQ(ask("a", 0, Type::directory_part, "/x|"), "EINVAL");
}

TEST_F(Nodes, AnUnknownRequestIsToldSo)
{
    run({
        {"a", 0, static_cast<Type>(20), "|", "ENOSYS"},
        {"a", 0, static_cast<Type>(23), "|", "ENOSYS"},
        {"a", 0, static_cast<Type>(0xFFFFFFFF), "|", "ENOSYS"},
        {"a", 0, Type::watch_event, "/|x|", "ENOSYS"},
        {"a", 0, Type::error, "x|", "ENOSYS"},
    });
}

}
