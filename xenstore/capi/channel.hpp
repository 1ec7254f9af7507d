// The connection behind a handle of the C interface, for any number of threads.
//
// There is no thread of our own. Of those that wait, for a reply or for an event, one reads from the daemon and hands
// out what comes; when it has what it wants, another takes over. What a caller polls is an epoll descriptor that holds
// the connection and, besides, a counter that stands while events wait that were read on the way to a reply.
#pragma once

#include "xenstore/store/message.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

namespace xylem::xenstore {

class Channel {
public:
    /// Takes `fd`. @throws std::system_error
    explicit Channel(int fd);
    ~Channel();
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    /// @return the reply's payload, or nothing with errno
    std::optional<std::string> request(XsMessageType type, u32 transaction, std::string_view payload);

    /// An event's payload: path and token.
    enum class Wait { no, yes };
    /// @return nothing with errno: EAGAIN if there is none now
    std::optional<std::string> next_event(Wait wait);
    /// Drops what waits of a watch.
    void forget_events(std::string_view path, std::string_view token);
    int pollable() const { return epoll_; }

private:
    using Lock = std::unique_lock<std::mutex>;
    template <typename Done> bool read_until(Lock& lock, const Done& done);
    bool read_once(Lock& lock, Wait wait);
    void sort(std::string_view bytes);
    bool send_all(std::string_view bytes);
    void update_counter();

    int fd_;
    int epoll_;
    int counter_; ///< readable while events_ is not empty
    bool counter_stands_ = false;
    std::mutex send_mutex_; ///< messages must not mix
    std::mutex mutex_;      ///< all that follows
    std::condition_variable changed_;
    bool is_read_by_somebody_ = false;
    int lost_with_ = 0; ///< errno of the connection's end
    u32 next_id_ = 1;
    Assembler assembler_;
    std::map<u32, Message> replies_;
    std::deque<std::string> events_;
};

}
