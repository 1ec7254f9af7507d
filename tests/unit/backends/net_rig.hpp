// The network backend's queues between a simulated frontend and a link that keeps what is sent.
#pragma once

#include "backends/net/receive.hpp"
#include "backends/net/transmit.hpp"
#include "tests/unit/backends/fake_peer.hpp"

#include <algorithm>
#include <deque>

namespace xylem::backends::net {

using namespace abi::io;
using test::FakePeer;
using Bytes = std::vector<std::byte>;

struct FakeLink : Link {
    bool send(std::span<const iovec> parts) override
    {
        Bytes& packet = sent.emplace_back();
        for (const iovec& part : parts) {
            const auto* bytes = static_cast<const std::byte*>(part.iov_base);
            packet.insert(packet.end(), bytes, bytes + part.iov_len);
        }
        return true;
    }
    std::size_t receive(TapHeader& header, std::span<std::byte> frame) override
    {
        if (arrivals.empty())
            return 0;
        const Bytes packet = arrivals.front();
        arrivals.pop_front();
        std::memcpy(&header, packet.data(), sizeof header);
        const std::size_t bytes = std::min(packet.size() - sizeof header, frame.size());
        std::copy_n(packet.begin() + sizeof header, bytes, frame.begin());
        return bytes;
    }
    void listen(bool on) override { listening = on; }

    std::vector<Bytes> sent;
    std::deque<Bytes> arrivals;
    bool listening = true;
};

/// A ring in page 0 of a guest of 300 pages.
template <typename Request, typename Response> struct NetRig {
    NetRig() { front.init(); }
    QueueParts parts()
    {
        return {loop, peer, link, "vif 1/0", [this] { ++events; }, [this](const std::string& why) { broken = why; }};
    }
    MappedPages ring()
    {
        const GrantRef ref(0);
        return MappedPages(peer, {&ref, 1});
    }
    void settle()
    {
        for (int i = 0; i < 6; ++i)
            loop.turn(std::chrono::milliseconds(0));
    }

    EventLoop loop;
    FakePeer peer{300};
    FakeLink link;
    test::FrontRing<Request, Response> front{peer.page(0)};
    unsigned events = 0;
    std::string broken;
};

}
