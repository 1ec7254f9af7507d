// The link to a process on the Unix socket.
#pragma once

#include "xenstore/daemon/event_loop.hpp"
#include "xenstore/daemon/link.hpp"

namespace xylem::xenstore {

class SocketLink : public Link {
public:
    /// Owns `fd`, which does not block. `wake` is called when it is ready.
    SocketLink(EventLoop& loop, int fd, std::function<void()> wake);
    ~SocketLink() override;

    std::optional<std::string_view> receive(Journal& journal, u32 connection, std::size_t wanted) override;
    std::optional<std::size_t> send(Journal& journal, u32 connection, std::string_view bytes) override;
    bool has_unread() override { return has_unread_; }
    void set_interest(bool in, bool out) override;
    void report(Fault) override {}

private:
    EventLoop& loop_;
    int fd_;
    unsigned interest_;
    bool has_unread_ = true; ///< as far as we were told
};

}
