// One line a fact, to stderr, where systemd's journal or dom0's supervisor picks it up.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace xylem::backends {

/// Writes "NAME: text", where NAME is this program's.
void log_text(std::string_view text);

template <typename... Arguments> void log(fmt::format_string<Arguments...> format, Arguments&&... arguments)
{
    log_text(fmt::format(format, std::forward<Arguments>(arguments)...));
}

/// Lets `burst` lines pass and then one a second: what a peer can cause at will must not fill a disk.
class LogLimit {
public:
    explicit LogLimit(unsigned burst = 10) : left_(burst) {}
    bool allows();

private:
    unsigned left_;
    long last_second_ = 0;
};

}
