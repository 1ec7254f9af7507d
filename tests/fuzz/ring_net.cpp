// A hostile frontend of the network backend, in both directions: requests of any bytes, and the ring scribbled over.
#include "tests/fuzz/target.hpp"
#include "tests/support/choices.hpp"
#include "tests/unit/backends/net_rig.hpp"

#include <gtest/gtest.h>

namespace xylem::backends {

namespace {

template <typename Request, typename Rig> void push(Rig& rig, xylem::test::ByteChoices& choices)
{
    Request request{};
    const auto bytes = choices.take(sizeof request);
    std::memcpy(static_cast<void*>(&request), bytes.data(), bytes.size());
    if (!rig.front.full())
        rig.front.push(request);
}

template <typename Request, typename Response, typename Queue, typename Arrive>
void drive(net::NetRig<Request, Response>& rig, Queue& queue, xylem::test::ByteChoices& choices, Arrive arrive)
{
    queue.ring().start();
    while (!choices.empty() && rig.broken.empty()) {
        switch (choices.below(5)) {
        case 0:
        case 1:
            push<Request>(rig, choices);
            break;
        case 2:
            rig.front.shared[choices.number<u16>() % page_size] = std::byte(choices.number<u8>());
            break;
        case 3:
            arrive();
            break;
        default:
            queue.serve();
            rig.settle();
            rig.front.consumed = rig.front.header().rsp_prod;
        }
    }
}

}

FUZZ_TARGET(ring_net)
{
    xylem::test::ByteChoices choices(input);
    if (choices.below(2)) {
        net::NetRig<net::NetifTxRequest, net::NetifTxResponse> rig;
        net::SendRules rules;
        net::Transmit queue(rig.parts(), rig.ring(), rules);
        drive(rig, queue, choices, [] {});
        for (const net::Bytes& packet : rig.link.sent)
            EXPECT_LE(packet.size(), sizeof(net::TapHeader) + net::netif_max_tx_size);
        return;
    }
    net::NetRig<net::NetifRxRequest, net::NetifRxResponse> rig;
    net::Receive queue(rig.parts(), rig.ring(), {true, true, true, true, true});
    drive(rig, queue, choices, [&] {
        net::Bytes packet(sizeof(net::TapHeader) + choices.number<u16>());
        const auto head = choices.take(sizeof(net::TapHeader) + 60);
        std::memcpy(packet.data(), head.data(), std::min(head.size(), packet.size()));
        rig.link.arrivals.push_back(packet);
    });
}

}
