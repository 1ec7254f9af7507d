// A hostile frontend of the entropy device, which is what every small backend with one ring is: the ring's page holds
// anything, from before it is served (as a killed predecessor may have left it), and so do the requests.
#include "backends/rng/device.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/choices.hpp"
#include "tests/unit/backends/fake_peer.hpp"
#include "tests/unit/backends/memory_store.hpp"

#include <gtest/gtest.h>

namespace xylem::backends {

FUZZ_TARGET(ring_rng)
{
    xylem::test::ByteChoices choices(input);
    constexpr u32 pages = 2;
    auto owned = std::make_unique<test::FakePeer>(pages);
    test::FakePeer& peer = *owned;
    test::MemoryStore store;
    store.write("/front/ring-ref", "0");
    store.write("/front/event-channel", "5");
    EventLoop loop;
    unsigned events = 0, breaks = 0;
    EventLoop::Handler on_event;
    DeviceSeams seams{loop, store, std::move(owned), [&](Port, EventLoop::Handler handler) {
                          on_event = std::move(handler);
                          return std::make_unique<test::CountedSignal>(events);
                      }};
    rng::RngDevice device(std::move(seams), {DomId(1), 0, "/back", "/front"}, {[] {}, [&](std::string) { ++breaks; }});

    const auto begin = choices.below(2) ? Device::Begin::fresh : Device::Begin::resumed;
    const auto header = choices.take(sizeof(abi::io::RingHeader));
    if (!header.empty())
        std::memcpy(peer.page(0), header.data(), header.size());
    device.connect(begin);
    while (!choices.empty()) {
        if (choices.below(3) != 0) {
            const u32 at = choices.number<u16>() % (pages * page_size);
            const auto bytes = choices.take(std::min<u32>(1 + choices.below(16), pages * page_size - at));
            if (!bytes.empty())
                std::memcpy(peer.page(0) + at, bytes.data(), bytes.size());
        }
        on_event();
        loop.turn(std::chrono::milliseconds(0));
    }
    EXPECT_LE(breaks, 1u) << "a broken ring was served on";
    device.disconnect();
    EXPECT_EQ(peer.mappings(), 0u);
}

}
