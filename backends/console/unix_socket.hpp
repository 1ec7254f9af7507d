// A channel's end that a program in dom0 connects to: a listening Unix socket.
//
// One client is served at a time; who comes while another is served waits in the kernel's queue. A client that has
// closed, or shut down its writing end, has had its say: what it sent goes to the guest as the guest has room, and what
// the guest says goes to it until it closes. Output without a client waits for the next one.
#pragma once

#include "backends/console/backlog.hpp"
#include "backends/console/terminal.hpp"

#include <sys/stat.h>

namespace xylem::backends::console {

class UnixSocket : public Terminal {
public:
    /// `limit` is the backlog's, in bytes. A socket that a killed predecessor left at `path` is replaced.
    /// @throws std::runtime_error  with a sentence: somebody listens there, there is a file of another kind, ...
    UnixSocket(EventLoop& loop, std::string path, std::size_t limit);
    /// The socket's file goes, if it is still ours.
    ~UnixSocket() override;

    const std::string& path() const override { return path_; }

    void write(std::string_view text) override;
    std::size_t read(std::span<char> buffer) override;
    void listen(bool on) override;

private:
    void accept_client();
    void accept_later();
    void watch_input();
    void flush();
    void end_input();
    void end_output();
    void await_next_client();

    EventLoop& loop_;
    std::string path_;
    Backlog backlog_;
    dom0::Fd listener_;
    struct stat made_ {}; ///< what bind() has made at `path_`
    EventLoop::Watch arrivals_;
    EventLoop::Timer retry_;
    bool listening_ = false;

    // The client, by two descriptors, for two watches. Each is closed when nothing more goes that way.
    dom0::Fd from_client_;
    dom0::Fd to_client_;
    // There only while input is looked at: epoll tells of a hangup whether it is asked to or not, and one that is not
    // answered would come again for ever.
    EventLoop::Watch input_;
    EventLoop::Watch output_;
};

/// Removes a socket at `path` that nobody listens at any more: what a killed daemon has left.
/// @throws std::runtime_error  there is something else at `path`
void remove_leftover_socket(const std::string& path);

}
