// What waits to be read by one client: replies and events, encoded, in order.
//
// A client that does not read must not make us grow. Replies are bounded by the server, which takes no further request
// while too many wait. Events are bounded here: one that equals an event still waiting is left out, since the client
// will look at the store after it has read that one; one beyond the limit is refused, and the server remembers its
// watch and reports it once, as changed as a whole, when the client reads again.
#pragma once

#include "xenstore/store/message.hpp"

#include <deque>
#include <unordered_set>

namespace xylem::xenstore {

class Output {
public:
    explicit Output(std::size_t event_limit) : event_limit_(event_limit) {}
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    void push_reply(const Message& message);
    enum class Pushed { queued, duplicate, refused };
    Pushed push_event(std::string_view path, std::string_view token);

    bool empty() const { return items_.empty(); }
    std::size_t replies() const { return replies_; }
    std::size_t event_bytes() const { return event_bytes_; }
    std::size_t event_limit() const { return event_limit_; }
    bool has_room_for_lost_events() const { return event_bytes_ <= event_limit_ / 2; }

    /// The bytes to send next, of one message or of several small ones; empty when all is sent. Valid until the next
    /// change, and the same after a restart.
    std::string_view front() const;
    /// Bytes of front() that belong to a message of which some were sent already.
    std::size_t rest_of_begun() const { return sent_ ? items_.front().bytes.size() - sent_ : 0; }
    /// `bytes` of front() were sent.
    void pop(std::size_t bytes);
    void clear();

    /// See archive.hpp.
    template <typename Archive> void archive(Archive& with);

private:
    struct Item {
        std::string bytes;
        bool is_event;
        std::string_view payload() const { return std::string_view(bytes).substr(sizeof(XsMessageHeader)); }
    };

    void pop_first();

    std::size_t event_limit_;
    std::deque<Item> items_;
    std::unordered_set<std::string_view> waiting_events_; ///< payloads, kept by items_
    std::size_t sent_ = 0;                                ///< of the first item
    std::size_t replies_ = 0;
    std::size_t event_bytes_ = 0;
    mutable std::string together_; ///< what front() shows, where that is more than one message
};

}
