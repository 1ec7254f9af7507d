// See hand_over.hpp.
//
// Both processes have one memory for as long as the former has not ended, and one stack. So between its two system
// calls the former must not touch memory: it does the second as soon as the first has come back, in registers alone,
// and takes no signal in between. Linux, too, would write to that memory for the former process as it ends (the word
// that it clears for a thread's joiner), so it is told not to.
#include "tools/xl/hand_over.hpp"

#include <cerrno>
#include <csignal>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

/// @return 0 in the new process, or the negated error
long clone_and_exit()
{
    long result = SYS_clone;
    register long parent_tid asm("rdx") = 0;
    register long child_tid asm("r10") = 0;
    register long thread_pointer asm("r8") = 0;
    asm volatile("syscall\n\t"
                 "test %%rax, %%rax\n\t"
                 "jle 1f\n\t"
                 "mov %[exit_group], %%eax\n\t"
                 "xor %%edi, %%edi\n\t"
                 "syscall\n"
                 "1:"
                 : "+a"(result)
                 : "D"(CLONE_VM | SIGCHLD), "S"(0L), "r"(parent_tid), "r"(child_tid),
                   "r"(thread_pointer), [exit_group] "i"(SYS_exit_group)
                 : "rcx", "r11", "memory", "cc");
    return result;
}

}

int xl_hand_over()
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    syscall(SYS_set_tid_address, nullptr);
    const long result = clone_and_exit();
    sigprocmask(SIG_SETMASK, &before, nullptr);
    if (result == 0)
        return 0;
    errno = static_cast<int>(-result);
    return -1;
}

}
