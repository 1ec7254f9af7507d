// A pseudo terminal whose far end `xl console` opens.
#pragma once

#include "backends/console/backlog.hpp"
#include "backends/console/terminal.hpp"

namespace xylem::backends::console {

class Pty : public Terminal {
public:
    /// `limit` is the backlog's, in bytes.
    /// @throws std::system_error
    Pty(EventLoop& loop, std::size_t limit);

    /// The far end's.
    const std::string& path() const override { return path_; }

    void write(std::string_view text) override;
    std::size_t read(std::span<char> buffer) override;
    void listen(bool on) override { input_.enable(on); }

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
