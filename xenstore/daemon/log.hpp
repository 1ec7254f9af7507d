// The daemon's log: lines with the time of day, on standard error or in a file.
#pragma once

#include "hypervisor/base/result.hpp"

#include <fmt/format.h>
#include <string>

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

    /// Whether each request is logged, too.
    bool shows_requests = false;

private:
    int fd_ = 2;
    std::string path_;
};

}
