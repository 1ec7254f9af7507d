// One link for several queues of a guest: each flow's frames go to one of them, in their order.
//
// Whichever queue looks for frames takes them off the link, and lays those of others down for them. A queue whose guest
// has no room does not hold up the others: a bounded number of its frames waits, what comes then is lost, as on any
// wire. With one queue the link is passed through, and what finds no room waits in the link.
#pragma once

#include "backends/lib/event_loop.hpp"
#include "backends/net/link.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <vector>

namespace xylem::backends::net {

class Splitter {
public:
    /// `on_ready` has a queue look for frames. The link outlives this.
    Splitter(EventLoop& loop, Link& whole, std::size_t queues, std::function<void(std::size_t queue)> on_ready);
    ~Splitter();

    Link& queue(std::size_t number);
    /// Something has arrived on the link.
    void arrival();

private:
    class Queue;

    Queue& queue_of(std::span<const std::byte> frame);
    void listen();

    EventLoop& loop_;
    Link& whole_;
    std::function<void(std::size_t queue)> on_ready_;
    std::vector<std::unique_ptr<Queue>> queues_;
    std::shared_ptr<Splitter*> self_ =
        std::make_shared<Splitter*>(this); // null for deferred work that outlives the splitter
};

}
