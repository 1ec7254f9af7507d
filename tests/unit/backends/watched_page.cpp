// See watched_page.hpp.
#include "tests/unit/backends/watched_page.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstring>
#include <sys/mman.h>
#include <sys/ucontext.h>

namespace xylem::backends::test {

namespace {

constexpr greg_t trap_flag = 0x100, error_is_write = 2;

WatchedPage* watched = nullptr;
struct sigaction former_fault, former_trap;

void on_fault(int, siginfo_t* info, void* context)
{
    if (!watched->contains(info->si_addr)) {
        sigaction(SIGSEGV, &former_fault, nullptr); // the instruction faults again, and is reported as ever
        return;
    }
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    watched->before(static_cast<const std::byte*>(info->si_addr), registers[REG_ERR] & error_is_write);
    registers[REG_EFL] |= trap_flag;
}

void on_trap(int, siginfo_t*, void* context)
{
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~trap_flag;
    watched->after();
}

void handle(int signal, void (*handler)(int, siginfo_t*, void*), struct sigaction& former)
{
    struct sigaction action {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    sigaction(signal, &action, &former);
}

}

WatchedPage::WatchedPage(std::byte* page, std::size_t first) : page_(page), first_(first)
{
    EXPECT_EQ(watched, nullptr);
    watched = this;
    handle(SIGSEGV, on_fault, former_fault);
    handle(SIGTRAP, on_trap, former_trap);
    close();
}

WatchedPage::~WatchedPage()
{
    open();
    sigaction(SIGSEGV, &former_fault, nullptr);
    sigaction(SIGTRAP, &former_trap, nullptr);
    watched = nullptr;
}

bool WatchedPage::contains(const void* address) const
{
    return address >= page_ && address < page_ + page_size;
}

void WatchedPage::before(const std::byte* address, bool is_write)
{
    const auto word = static_cast<std::size_t>(address - page_) / sizeof(u32);
    read_now_ = is_write || word * sizeof(u32) < first_ ? nullptr : page_ + word * sizeof(u32);
    if (read_now_ && !read_.insert(word).second)
        read_again_.insert(word);
    open();
}

void WatchedPage::after()
{
    if (read_now_) {
        u32 value;
        std::memcpy(&value, read_now_, sizeof value);
        value = ~value;
        std::memcpy(read_now_, &value, sizeof value);
    }
    close();
}

void WatchedPage::close()
{
    mprotect(page_, page_size, PROT_NONE);
}

void WatchedPage::open()
{
    mprotect(page_, page_size, PROT_READ | PROT_WRITE);
}

}
