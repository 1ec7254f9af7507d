// See splitter.hpp.
#include "backends/net/splitter.hpp"

#include <algorithm>
#include <cstring>

namespace xylem::backends::net {

/// Of a queue whose guest has no room, or that has not looked yet.
static constexpr std::size_t most_bytes_waiting = 512 << 10;
/// Frames of others that a queue lays down before they get their turn.
static constexpr int most_passed_on = 64;

class Splitter::Queue : public Link {
public:
    Queue(Splitter& splitter, std::size_t number) : splitter_(splitter), number_(number) {}

    bool send(std::span<const iovec> parts) override { return splitter_.whole_.send(parts); }
    std::size_t receive(TapHeader& header, std::span<std::byte> frame) override;
    void listen(bool on) override;

    bool listening() const { return listening_; }
    void lay_down(const TapHeader& header, std::span<const std::byte> frame);

private:
    struct Waiting {
        TapHeader header;
        std::vector<std::byte> frame;
    };

    void serve_soon();

    Splitter& splitter_;
    std::size_t number_;
    std::deque<Waiting> waiting_;
    std::size_t bytes_waiting_ = 0;
    bool listening_ = false;
    bool serve_deferred_ = false;
};

std::size_t Splitter::Queue::receive(TapHeader& header, std::span<std::byte> frame)
{
    if (!waiting_.empty()) {
        const Waiting& first = waiting_.front();
        const std::size_t bytes = std::min(first.frame.size(), frame.size());
        header = first.header;
        std::copy_n(first.frame.begin(), bytes, frame.begin());
        bytes_waiting_ -= first.frame.size();
        waiting_.pop_front();
        return bytes;
    }
    for (int others = 0; others < most_passed_on; ++others) {
        const std::size_t bytes = splitter_.whole_.receive(header, frame);
        if (bytes == 0)
            return 0;
        Queue& owner = splitter_.queue_of(frame.first(bytes));
        if (&owner == this)
            return bytes;
        owner.lay_down(header, frame.first(bytes));
    }
    serve_soon(); // there may be more, of which no descriptor tells before the next turn
    return 0;
}

void Splitter::Queue::lay_down(const TapHeader& header, std::span<const std::byte> frame)
{
    if (bytes_waiting_ + frame.size() > most_bytes_waiting)
        return;
    bytes_waiting_ += frame.size();
    waiting_.push_back({header, {frame.begin(), frame.end()}});
    if (listening_)
        serve_soon();
}

void Splitter::Queue::serve_soon()
{
    if (std::exchange(serve_deferred_, true))
        return;
    splitter_.loop_.defer([self = splitter_.self_, this] {
        if (!*self)
            return;
        serve_deferred_ = false;
        if (listening_)
            splitter_.on_ready_(number_);
    });
}

void Splitter::Queue::listen(bool on)
{
    listening_ = on;
    if (on && !waiting_.empty())
        serve_soon();
    splitter_.listen();
}

Splitter::Splitter(EventLoop& loop, Link& whole, std::size_t queues, std::function<void(std::size_t queue)> on_ready)
    : loop_(loop), whole_(whole), on_ready_(std::move(on_ready))
{
    for (std::size_t i = 0; i < queues; ++i)
        queues_.push_back(std::make_unique<Queue>(*this, i));
}

Splitter::~Splitter()
{
    *self_ = nullptr;
    whole_.listen(false);
}

Link& Splitter::queue(std::size_t number)
{
    return *queues_.at(number);
}

Splitter::Queue& Splitter::queue_of(std::span<const std::byte> frame)
{
    return *queues_[queues_.size() == 1 ? 0 : flow_of(frame) % queues_.size()];
}

void Splitter::arrival()
{
    for (std::size_t i = 0; i < queues_.size(); ++i)
        if (queues_[i]->listening())
            on_ready_(i);
}

/// The link is looked at while anybody has room.
void Splitter::listen()
{
    whole_.listen(std::any_of(queues_.begin(), queues_.end(), [](const auto& queue) { return queue->listening(); }));
}

}
