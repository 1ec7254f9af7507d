// See confine.hpp.
#include "backends/lib/confine.hpp"

#include <cap-ng.h>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <seccomp.h>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace xylem::backends {

// What an event loop, files, memory and a log need. `ioctl` is the way to /dev/xen and to interfaces; what can be asked
// for there is decided by the descriptors that we have.
static constexpr int allowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(preadv),
    SCMP_SYS(pwritev),
    SCMP_SYS(preadv2),
    SCMP_SYS(pwritev2),
    SCMP_SYS(lseek),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(statfs),
    SCMP_SYS(fstatfs),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(mkdir),
    SCMP_SYS(mkdirat),
    SCMP_SYS(fcntl),
    SCMP_SYS(flock),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fallocate),
    SCMP_SYS(dup),
    SCMP_SYS(dup2),
    SCMP_SYS(dup3),
    SCMP_SYS(ioctl),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe),
    SCMP_SYS(pipe2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(signalfd4),
    SCMP_SYS(connect),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(rseq),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

static void check(int result, const char* what)
{
    if (result < 0)
        throw std::runtime_error(fmt::format("cannot confine this process: {}: {}; --unconfined starts it without",
                                             what, std::strerror(-result)));
}

static void keep_capabilities(const std::vector<int>& wanted)
{
    capng_clear(CAPNG_SELECT_ALL);
    for (const int capability : wanted)
        if (capng_update(CAPNG_ADD, static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED),
                         static_cast<unsigned>(capability)) < 0)
            check(-EINVAL, "a capability is not known");
    // One who has none to give up, not being root, has none to lose either.
    if (capng_apply(CAPNG_SELECT_BOUNDS) < 0)
        errno = 0;
    if (capng_apply(CAPNG_SELECT_CAPS) < 0)
        check(-EPERM, "the capabilities that it needs are not there");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        check(-errno, "no_new_privs");
}

static void keep_system_calls(const Needs& needs)
{
    const std::unique_ptr<void, void (*)(scmp_filter_ctx)> filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), seccomp_release);
    if (!filter)
        check(-ENOMEM, "seccomp");
    const auto allow = [&](int number, std::vector<scmp_arg_cmp> conditions = {}) {
        check(seccomp_rule_add_array(filter.get(), SCMP_ACT_ALLOW, number, static_cast<unsigned>(conditions.size()),
                                     conditions.data()),
              "seccomp");
    };
    for (const int number : allowed)
        allow(number);
    for (const int number : {SCMP_SYS(mmap), SCMP_SYS(mprotect)})
        allow(number, {SCMP_CMP(2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)});
    std::vector<int> families = needs.socket_families;
    families.push_back(AF_UNIX);
    for (const int family : families)
        allow(SCMP_SYS(socket), {SCMP_CMP(0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(family))});
    // To itself alone: root may send signals to whom it likes, with no capability.
    allow(SCMP_SYS(tgkill), {SCMP_CMP(0, SCMP_CMP_EQ, static_cast<scmp_datum_t>(getpid()))});
    if (needs.io_uring)
        allow(SCMP_SYS(io_uring_enter));
    if (needs.listening)
        for (const int number : {SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept4)})
            allow(number);
    check(seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1), "seccomp");
    check(seccomp_load(filter.get()), "seccomp");
}

void confine(const Needs& needs)
{
    keep_capabilities(needs.capabilities);
    keep_system_calls(needs);
}

}
