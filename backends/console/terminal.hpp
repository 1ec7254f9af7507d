// Dom0's end of a console: what somebody there reads and types. Writing never blocks: what nobody reads waits in a
// backlog, the newest of it. Reading happens only while the guest has room, so that input is never dropped.
#pragma once

#include "backends/lib/event_loop.hpp"

#include <span>
#include <string>
#include <string_view>

namespace xylem::backends::console {

class Terminal {
public:
    virtual ~Terminal() = default;

    /// Where it is found.
    virtual const std::string& path() const = 0;

    virtual void write(std::string_view text) = 0;
    /// What was typed. @return bytes, 0 if there is nothing
    virtual std::size_t read(std::span<char> buffer) = 0;
    /// Whether typed input is looked at. It is not until this is called.
    virtual void listen(bool on) = 0;

    /// Who is called when there is input; nobody while a console has no guest.
    void set_reader(EventLoop::Handler on_input) { on_input_ = std::move(on_input); }

protected:
    void tell_reader()
    {
        if (on_input_)
            on_input_();
    }

private:
    EventLoop::Handler on_input_;
};

}
