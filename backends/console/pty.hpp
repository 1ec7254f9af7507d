// A pseudo terminal whose far end `xl console` opens. Writing never blocks: what nobody reads waits in a backlog.
#pragma once

#include "backends/console/backlog.hpp"
#include "backends/lib/event_loop.hpp"

#include <span>
#include <string>

namespace xylem::backends::console {

class Pty {
public:
    /// @throws std::system_error
    Pty(EventLoop& loop, std::size_t limit, EventLoop::Handler on_input);

    /// The path of the far end.
    const std::string& path() const { return path_; }

    void write(std::string_view text);
    /// What was typed. @return bytes, 0 if there is nothing
    std::size_t read(std::span<char> buffer);
    /// Whether typed input is looked at.
    void listen(bool on) { input_.enable(on); }

private:
    void flush();

    dom0::Fd near_;
    dom0::Fd near_for_output_; // the same, for a second watch
    dom0::Fd far_;             // kept open: a pty whose far end is closed by its last user hangs up
    std::string path_;
    Backlog backlog_;
    EventLoop::Watch input_;
    EventLoop::Watch output_;
};

}
