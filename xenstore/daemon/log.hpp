// The daemon's log: lines with the time of day, on standard error or in a file.
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"

#include <fmt/format.h>
#include <string>
#include <string_view>

namespace xylem::xenstore {

class Log {
public:
    Log() = default;
    ~Log();
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    /// Appends to `path` from now on. @return IoError  with errno; the log stays where it was
    Result<> open(const std::string& path);
    /// Empty for standard error.
    const std::string& path() const { return path_; }
    /// Opens the same file again, which may have been renamed.
    void reopen();

    template <typename... Arguments> void line(fmt::format_string<Arguments...> format, Arguments&&... arguments)
    {
        write(fmt::format(format, std::forward<Arguments>(arguments)...));
    }
    void write(const std::string& text);

    /// A line of the access log, as Xen's xenstored has it: IN or OUT, who, when, which request with what.
    void access(std::string_view direction, u32 connection, std::string_view request, std::string_view payload);
    /// One who comes or goes: CREATE or DESTROY.
    void access(std::string_view what, u32 connection);

    /// Whether there is an access log, too.
    bool shows_requests = false;

private:
    void write_line(const std::string& line);

    int fd_ = 2;
    std::string path_;
};

}
