// Fails one step of the program that it is linked with, as if the system had refused it. (tests/system/faults.py)
//
// The linker hands us the program's calls (--wrap). They are counted, and number XYLEM_FAULT_STEP fails, once:
// hypercalls, which are ioctls; requests to the store, which are writes; files opened, looked at, read, written,
// renamed and removed; memory mapped; processes started. Calls that give something back (close, munmap) are not among
// them: they do not fail.

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

/// 0: none.
long wanted_step()
{
    const char* text = std::getenv("XYLEM_FAULT_STEP");
    return text ? std::strtol(text, nullptr, 10) : 0;
}

/// Counts a step. @return whether it is the one that fails, with `error`
bool fails(const char* call, int error)
{
    static const long wanted = wanted_step();
    static long step = 0;
    if (++step != wanted)
        return false;
    std::fprintf(stderr, "FAULT-AT %ld %s\n", step, call);
    errno = error;
    return true;
}

}

extern "C" {

int __real_ioctl(int fd, unsigned long request, void* argument);
int __wrap_ioctl(int fd, unsigned long request, void* argument)
{
    return fails("ioctl", ENOMEM) ? -1 : __real_ioctl(fd, request, argument);
}

ssize_t __real_write(int fd, const void* data, size_t size);
ssize_t __wrap_write(int fd, const void* data, size_t size)
{
    return fails("write", ENOSPC) ? -1 : __real_write(fd, data, size);
}

ssize_t __real_writev(int fd, const iovec* pieces, int count);
ssize_t __wrap_writev(int fd, const iovec* pieces, int count)
{
    return fails("writev", ENOSPC) ? -1 : __real_writev(fd, pieces, count);
}

int __real_open64(const char* path, int flags, mode_t mode);
int __wrap_open64(const char* path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    return fails("open", EMFILE) ? -1 : __real_open64(path, flags, mode);
}

FILE* __real_fopen64(const char* path, const char* mode);
FILE* __wrap_fopen64(const char* path, const char* mode)
{
    return fails("fopen", EMFILE) ? nullptr : __real_fopen64(path, mode);
}

void* __real_mmap64(void* address, size_t size, int protection, int flags, int fd, off_t offset);
void* __wrap_mmap64(void* address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fails("mmap", ENOMEM) ? MAP_FAILED : __real_mmap64(address, size, protection, flags, fd, offset);
}

int __real_stat64(const char* path, struct stat64* about);
int __wrap_stat64(const char* path, struct stat64* about)
{
    return fails("stat", EIO) ? -1 : __real_stat64(path, about);
}

int __real_access(const char* path, int mode);
int __wrap_access(const char* path, int mode)
{
    return fails("access", EIO) ? -1 : __real_access(path, mode);
}

int __real_rename(const char* from, const char* to);
int __wrap_rename(const char* from, const char* to)
{
    return fails("rename", ENOSPC) ? -1 : __real_rename(from, to);
}

int __real_mkdir(const char* path, mode_t mode);
int __wrap_mkdir(const char* path, mode_t mode)
{
    return fails("mkdir", ENOSPC) ? -1 : __real_mkdir(path, mode);
}

int __real_flock(int fd, int operation);
int __wrap_flock(int fd, int operation)
{
    return fails("flock", ENOLCK) ? -1 : __real_flock(fd, operation);
}

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol)
{
    return fails("socket", EMFILE) ? -1 : __real_socket(family, type, protocol);
}

int __real_connect(int fd, const sockaddr* address, socklen_t size);
int __wrap_connect(int fd, const sockaddr* address, socklen_t size)
{
    return fails("connect", ECONNREFUSED) ? -1 : __real_connect(fd, address, size);
}

pid_t __real_fork();
pid_t __wrap_fork()
{
    return fails("fork", EAGAIN) ? -1 : __real_fork();
}

int __real_xl_hand_over();
int __wrap_xl_hand_over()
{
    return fails("clone", EAGAIN) ? -1 : __real_xl_hand_over();
}
}
