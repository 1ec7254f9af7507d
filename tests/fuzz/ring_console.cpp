// A hostile console page: whatever its indices say, at most a ring's worth goes each way.
#include "backends/console/ring.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/choices.hpp"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <string>

using namespace xylem;
using namespace xylem::backends::console;

FUZZ_TARGET(ring_console)
{
    test::ByteChoices choices(input);
    alignas(page_size) static std::byte page[page_size];
    std::ranges::fill(page, std::byte{0xa5});
    auto& shared = *reinterpret_cast<ConsoleRing::Page*>(page);
    shared.in_cons = shared.in_prod = shared.out_cons = shared.out_prod = choices.number<u32>();
    ConsoleRing ring(page);
    std::array<char, ConsoleRing::out_bytes> buffer;
    while (!choices.empty()) {
        u32* const indices[] = {&shared.in_cons, &shared.in_prod, &shared.out_cons, &shared.out_prod};
        *indices[choices.below(4)] += choices.number<u16>();
        if (const auto bytes = ring.peek(buffer)) {
            EXPECT_LE(*bytes, ConsoleRing::out_bytes);
            ring.release(*bytes);
        }
        if (const auto room = ring.room()) {
            EXPECT_LE(*room, ConsoleRing::in_bytes);
            ring.give(std::string(*room, 'x'));
        }
    }
    for (std::size_t i = sizeof(ConsoleRing::Page); i < page_size; ++i)
        ASSERT_EQ(page[i], std::byte{0xa5}) << "byte " << i << " behind the ring was written";
}
