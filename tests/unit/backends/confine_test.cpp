// What a confined process can do, and what it cannot: each seen from a process of its own.
#include "tests/unit/backends/confined.hpp"

#include <cerrno>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace xylem::backends {

using test::confined;

/// The errno of a call that fails; 0 if it does not.
template <typename Result> int failure(Result result)
{
    return result == static_cast<Result>(-1) ? errno : 0;
}

TEST(Confine, FilesMemoryAndLocalSocketsRemain)
{
    EXPECT_EQ(confined({},
                       [] {
                           const int fd = open("/proc/self/status", O_RDONLY);
                           char byte;
                           void* memory =
                               mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                           const bool good = fd >= 0 && read(fd, &byte, 1) == 1 && memory != MAP_FAILED &&
                                             socket(AF_UNIX, SOCK_DGRAM, 0) >= 0;
                           return good ? 0 : 1;
                       }),
              0);
}

TEST(Confine, NoProgramIsStartedAndNoProcessMade)
{
    EXPECT_EQ(confined({}, [] { return failure(execl("/bin/true", "true", nullptr)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(syscall(SYS_clone, 17, 0, 0, 0, 0)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(syscall(SYS_fork)); }), EPERM);
}

TEST(Confine, NothingIsMadeExecutable)
{
    EXPECT_EQ(confined({},
                       [] {
                           return failure(reinterpret_cast<long>(
                               mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)));
                       }),
              EPERM);
    EXPECT_EQ(confined({},
                       [] {
                           alignas(4096) static char page[4096];
                           return failure(mprotect(page, sizeof page, PROT_READ | PROT_EXEC));
                       }),
              EPERM);
}

TEST(Confine, OtherProcessesAndTheMachineAreOutOfReach)
{
    EXPECT_EQ(confined({}, [] { return failure(ptrace(PTRACE_ATTACH, getppid(), nullptr, nullptr)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(kill(getppid(), 0)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(syscall(SYS_tgkill, getppid(), getppid(), 0)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(unshare(CLONE_NEWUSER)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(syscall(SYS_mount, "a", "/", "b", 0, nullptr)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(syscall(SYS_bpf, 0, nullptr, 0)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(syscall(SYS_io_uring_setup, 1, nullptr)); }), EPERM);
    EXPECT_EQ(confined({}, [] { return failure(syscall(SYS_chmod, "/tmp", 0777)); }), EPERM);
}

TEST(Confine, SocketsAreOfTheKindsThatWereNamed)
{
    EXPECT_EQ(confined({}, [] { return failure(socket(AF_INET, SOCK_DGRAM, 0)); }), EPERM);
    Needs network;
    network.socket_families = {AF_INET};
    EXPECT_EQ(confined(network, [] { return failure(socket(AF_INET, SOCK_DGRAM, 0)); }), 0);
    EXPECT_EQ(confined(network, [] { return failure(socket(AF_NETLINK, SOCK_RAW, 0)); }), EPERM);
}

TEST(Confine, OnlyTheNamedCapabilitiesRemainAndNoneCanBeGained)
{
    if (geteuid() != 0)
        GTEST_SKIP() << "only root has capabilities to lose";
    Needs needs;
    needs.capabilities = {CAP_DAC_OVERRIDE};
    EXPECT_EQ(confined(needs,
                       [] {
                           // prctl() is not among what is allowed: look at what /proc says.
                           FILE* status = fopen("/proc/self/status", "r");
                           char line[256];
                           unsigned long effective = 0;
                           unsigned long bounding = ~0ul;
                           int no_new_privileges = 0;
                           while (fgets(line, sizeof line, status)) {
                               sscanf(line, "CapEff: %lx", &effective);
                               sscanf(line, "CapBnd: %lx", &bounding);
                               sscanf(line, "NoNewPrivs: %d", &no_new_privileges);
                           }
                           return effective == 1ul << CAP_DAC_OVERRIDE && bounding == 0 && no_new_privileges == 1 ? 0
                                                                                                                  : 1;
                       }),
              0);
}

}
