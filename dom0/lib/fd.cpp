// See fd.hpp.
#include "dom0/lib/fd.hpp"

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>

namespace xylem::dom0 {

Fd::~Fd()
{
    if (raw_ >= 0)
        close(raw_);
}

void throw_errno(const std::string& what)
{
    throw std::system_error(errno, std::generic_category(), what);
}

Fd open_device(const char* path, int flags)
{
    Fd fd(open(path, flags | O_CLOEXEC));
    if (!fd)
        throw_errno(std::string("cannot open ") + path);
    return fd;
}

}
