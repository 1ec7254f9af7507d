// See log.hpp.
#include "xenstore/daemon/log.hpp"

#include <ctime>
#include <fcntl.h>
#include <fmt/chrono.h>
#include <unistd.h>

namespace xylem::xenstore {

Log::~Log()
{
    if (fd_ > 2)
        close(fd_);
}

Result<> Log::open(const std::string& path)
{
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return Error::IoError;
    if (fd_ > 2)
        close(fd_);
    fd_ = fd;
    path_ = path;
    return {};
}

void Log::reopen()
{
    if (!path_.empty() && !open(std::string(path_)).ok())
        line("cannot open {} again", path_);
}

void Log::write(const std::string& text)
{
    write_line(fmt::format("{:%Y-%m-%d %H:%M:%S} xenstored: {}\n", fmt::localtime(std::time(nullptr)), text));
}

void Log::access(std::string_view direction, u32 connection, std::string_view request, std::string_view payload)
{
    if (!shows_requests)
        return;
    std::string text;
    for (char c : payload) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte == 0)
            text += ' ';
        else if (byte < ' ' || byte > '~')
            text += fmt::format("\\x{:02x}", byte); // a guest must not write lines of its own
        else
            text += c;
    }
    write_line(fmt::format("{} 0x{:x} {:%Y%m%d %H:%M:%S} {} ({})\n", direction, connection,
                           fmt::localtime(std::time(nullptr)), request, text));
}

void Log::access(std::string_view what, u32 connection)
{
    if (shows_requests)
        write_line(fmt::format("{} connection 0x{:x}\n", what, connection));
}

void Log::write_line(const std::string& line)
{
    // A log that cannot be written must not stop the store.
    (void)!::write(fd_, line.data(), line.size());
}

}
