// See output.hpp.
#include "xenstore/store/output.hpp"

#include "xenstore/store/path.hpp"

namespace xylem::xenstore {

void Output::push_reply(const Message& message)
{
    items_.push_back({encode(message), false});
    ++replies_;
}

Output::Pushed Output::push_event(std::string_view path, std::string_view token)
{
    Message event{XsMessageType::watch_event, 0, 0, {}};
    event.payload.reserve(path.size() + token.size() + 2);
    event.payload.append(path).append(1, '\0').append(token).append(1, '\0');
    if (event.payload.size() > abi::io::xenstore_payload_max)
        return Pushed::duplicate; // no client can be told
    // Two domains may go in one breath: special events are counted by those who wait for them.
    if (!is_special(path) && waiting_events_.contains(event.payload))
        return Pushed::duplicate;
    if (event_bytes_ + event.payload.size() > event_limit_)
        return Pushed::refused;
    items_.push_back({encode(event), true});
    event_bytes_ += event.payload.size();
    waiting_events_.insert(items_.back().payload());
    return Pushed::queued;
}

std::string_view Output::front() const
{
    constexpr std::size_t most_together = 4096;
    if (items_.empty())
        return {};
    const std::string_view first = std::string_view(items_.front().bytes).substr(sent_);
    if (items_.size() == 1 || first.size() + items_[1].bytes.size() > most_together)
        return first;
    together_ = first;
    for (auto item = items_.begin() + 1; item != items_.end() && together_.size() + item->bytes.size() <= most_together;
         ++item)
        together_ += item->bytes;
    return together_;
}

void Output::pop(std::size_t bytes)
{
    sent_ += bytes;
    while (!items_.empty() && sent_ >= items_.front().bytes.size())
        pop_first();
}

void Output::pop_first()
{
    const Item& item = items_.front();
    sent_ -= item.bytes.size();
    if (item.is_event) {
        const auto waiting = waiting_events_.find(item.payload());
        // An equal special event may be the one that is listed.
        if (waiting != waiting_events_.end() && waiting->data() == item.payload().data())
            waiting_events_.erase(waiting);
        event_bytes_ -= item.payload().size();
    } else {
        --replies_;
    }
    items_.pop_front();
}

void Output::clear()
{
    waiting_events_.clear();
    items_.clear();
    sent_ = replies_ = event_bytes_ = 0;
}

}
