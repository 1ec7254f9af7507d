// xl_hand_over(): one process ends, another goes on with its memory.
#include "dom0/lib/fd.hpp"
#include "tools/xl/hand_over.hpp"

#include <csignal>
#include <gtest/gtest.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace xylem::xl {
namespace {

/// What the process that goes on tells of itself.
struct Tale {
    pid_t pid;
    bool has_former_memory;
    bool has_former_mask;
};

/// In a child of the test's, which is the former.
[[noreturn]] void hand_over_and_tell(int fd)
{
    sigset_t mask, now;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR2);
    sigprocmask(SIG_SETMASK, &mask, nullptr);
    std::string text = "kept on the heap, since it is too long for the string itself";
    if (xl_hand_over() < 0)
        _exit(1);
    sigprocmask(SIG_SETMASK, nullptr, &now);
    text += ", and changed";
    const Tale tale{getpid(), text.ends_with("itself, and changed"),
                    sigismember(&now, SIGUSR2) == 1 && sigismember(&now, SIGUSR1) == 0};
    const bool written = dom0::write_all(fd, std::as_bytes(std::span(&tale, 1)));
    _exit(written ? 0 : 1);
}

TEST(HandOver, TheFormerEndsWithSuccessAndItsMemoryGoesOn)
{
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); // so that the one that goes on is ours to wait for
    for (int round = 0; round < 50; ++round) {
        int ends[2];
        ASSERT_EQ(pipe(ends), 0);
        const dom0::Fd reader(ends[0]);
        dom0::Fd writer(ends[1]);
        const pid_t former = fork();
        ASSERT_GE(former, 0);
        if (former == 0)
            hand_over_and_tell(writer.get());
        writer = dom0::Fd();
        int status = 0;
        ASSERT_EQ(waitpid(former, &status, 0), former);
        EXPECT_EQ(status, 0);
        Tale tale{};
        ASSERT_EQ(read(reader.get(), &tale, sizeof tale), static_cast<ssize_t>(sizeof tale));
        EXPECT_NE(tale.pid, former);
        EXPECT_TRUE(tale.has_former_memory);
        EXPECT_TRUE(tale.has_former_mask);
        ASSERT_EQ(waitpid(tale.pid, &status, 0), tale.pid);
        EXPECT_EQ(status, 0);
    }
    ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

}
}
