// The guest's end of a console page.
#include "frontends/console/ring.hpp"

#include <gtest/gtest.h>
#include <memory>
#include <random>
#include <string>
#include <vector>

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

// A daemon that writes anything anywhere on the page between any two steps: what is taken and given stays within
// bounds, and what surrounds the page stays as it was (which the sanitiser watches).
TEST(FrontConsoleRing, SurvivesAnything)
{
    std::mt19937 random(1);
    for (int round = 0; round < 200; ++round) {
        const auto page = std::make_unique<abi::io::ConsoleInterface>();
        ConsoleRing ring(page.get());
        for (int step = 0; step < 100; ++step) {
            std::vector<char> buffer(random() % 3000);
            if (const auto count = random() % 2 ? ring.write(buffer) : ring.read(buffer)) {
                EXPECT_LE(*count, buffer.size());
                EXPECT_LE(*count, sizeof page->out);
            }
            u32& index = random() % 2 ? page->out_cons : page->in_prod;
            index = random() % 8 ? index + static_cast<u32>(random() % 200) : static_cast<u32>(random());
            if (random() % 16 == 0)
                reinterpret_cast<unsigned char*>(page.get())[random() % sizeof *page] =
                    static_cast<unsigned char>(random());
        }
    }
}

}
}
