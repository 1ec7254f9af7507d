// See log.hpp.
#include "backends/lib/log.hpp"

#include <cerrno>
#include <ctime>
#include <string>
#include <unistd.h>

namespace xylem::backends {

void log_text(std::string_view text)
{
    const std::string line = fmt::format("{}: {}\n", program_invocation_short_name, text);
    // One write, so that lines of several programs on one pipe stay whole. A full or closed pipe loses the line: no log
    // is worth stopping a guest's disk.
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

bool LogLimit::allows()
{
    if (left_ > 0) {
        --left_;
        return true;
    }
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec == last_second_)
        return false;
    last_second_ = now.tv_sec;
    return true;
}

}
