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
    const std::string stamped =
        fmt::format("{:%Y-%m-%d %H:%M:%S} xenstored: {}\n", fmt::localtime(std::time(nullptr)), text);
    // A log that cannot be written must not stop the store.
    (void)!::write(fd_, stamped.data(), stamped.size());
}

}
