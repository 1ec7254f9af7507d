// The guest's end of a console page.
#include "frontends/console/ring.hpp"

#include <gtest/gtest.h>
#include <string>

namespace xylem::frontends::console {
namespace {

TEST(FrontConsoleRing, MovesBytesBothWaysAroundTheEnds)
{
    abi::io::ConsoleInterface page{};
    page.out_cons = page.out_prod = 0xfffffff0; // indices run free, and wrap
    page.in_cons = page.in_prod = 1020;
    ConsoleRing ring(&page);
    EXPECT_EQ(ring.write(std::string("hello, world; this is longer than 16")), 36u);
    std::string seen;
    for (u32 at = page.out_cons; at != page.out_prod; ++at)
        seen += page.out[at % sizeof page.out];
    EXPECT_EQ(seen, "hello, world; this is longer than 16");
    for (const char c : std::string("typed text"))
        page.in[page.in_prod++ % sizeof page.in] = c;
    char buffer[6];
    EXPECT_EQ(ring.read(buffer), 6u);
    EXPECT_EQ(std::string(buffer, 6), "typed ");
    EXPECT_EQ(ring.read(buffer), 4u);
    EXPECT_EQ(ring.read(buffer), 0u);
}

TEST(FrontConsoleRing, TakesWhatThereIsRoomFor)
{
    abi::io::ConsoleInterface page{};
    ConsoleRing ring(&page);
    const std::string text(3000, 'x');
    EXPECT_EQ(ring.write(text), 2048u);
    EXPECT_EQ(ring.write(text), 0u);
    page.out_cons += 10;
    EXPECT_EQ(ring.write(text), 10u);
}

TEST(FrontConsoleRing, RefusesIndicesThatCannotBe)
{
    abi::io::ConsoleInterface page{};
    ConsoleRing ring(&page);
    page.out_cons = 1;
    EXPECT_FALSE(ring.write(std::string("x")));
    page.in_prod = 1025;
    char buffer[2000];
    EXPECT_FALSE(ring.read(buffer));
}

}
}
