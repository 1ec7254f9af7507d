// See log.hpp.
#include "backends/lib/log.hpp"

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>
#include <unistd.h>

namespace xylem::backends {

/// "2026-11-27 03:10:11 ", but systemd's journal has times of its own.
static std::string time_prefix()
{
    static const bool wanted = std::getenv("JOURNAL_STREAM") == nullptr;
    if (!wanted)
        return {};
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%F %T ", &parts);
    return text;
}

void log_text(std::string_view text)
{
    const std::string line = fmt::format("{}{}: {}\n", time_prefix(), program_invocation_short_name, text);
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
