// What ends a domain: one thing each time, by the word way=NAME. It says what it is about to do, and if it is still
// there afterwards it says FAILURE; whether it has ended, and as what, is seen from outside (system/isolation).
// Dom0's end is the machine's, and is not tried.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/vcpu.hpp"

#include <string_view>

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;
using abi::SchedCmd;

namespace {

constexpr u64 unmapped = 0x5000;

void iret_from(u64 stack)
{
    asm volatile("mov %0, %%rsp\n"
                 "mov $23, %%eax\n"
                 "syscall\n" ::"r"(stack));
}

/// Its frame lies where nothing is mapped.
void iret_without_a_frame()
{
    iret_from(unmapped);
}

/// There are no page tables for that mode.
void iret_to_user_mode()
{
    static abi::IretContext frame{0, 0, 0, 0, 0x1000, abi::flat_ring3_cs64, 0x202, 0x2000, abi::flat_ring3_ss64};
    iret_from(address_of(frame));
}

void exception_without_a_stack()
{
    asm volatile("mov %0, %%rsp\n"
                 "ud2\n" ::"r"(unmapped));
}

void exception_without_a_handler()
{
    hypercall(HypercallNumber::set_trap_table, 0);
    asm volatile("ud2");
}

void event_without_a_callback()
{
    hypercall(HypercallNumber::set_callbacks, 0, 0, 0);
    abi::VcpuInfo& info = shared_info().vcpu_info[0];
    info.evtchn_upcall_pending = 1;
    info.evtchn_upcall_mask = 0;
    hypercall(HypercallNumber::xen_version, 0);
}

void watchdog()
{
    abi::SchedWatchdog one_second{0, 1};
    EXPECT(hypercall(HypercallNumber::sched_op, static_cast<u64>(SchedCmd::watchdog), address_of(one_second)), 1);
    shared_info().vcpu_info[0].evtchn_upcall_mask = 1;
    for (u64 i = 0; i < 10'000'000'000; ++i)
        asm volatile("pause");
}

void last_vcpu_down()
{
    hypercall(HypercallNumber::vcpu_op, static_cast<u64>(abi::VcpuCmd::down), 0);
}

void shutdown()
{
    shut_down(abi::ShutdownReason::crash);
}

constexpr struct {
    const char* name;
    void (*die)();
} ways[] = {{"iret-frame", iret_without_a_frame},
            {"iret-user", iret_to_user_mode},
            {"stack", exception_without_a_stack},
            {"handler", exception_without_a_handler},
            {"callback", event_without_a_callback},
            {"watchdog", watchdog},
            {"down", last_vcpu_down},
            {"shutdown", shutdown}};

}

void xylem_main()
{
    char name[16];
    if (is_dom0() || !find_argument("way=", name, sizeof name)) {
        skip("it is for guests that are told a way to end");
        return finish_test();
    }
    for (const auto& way : ways)
        if (std::string_view(way.name) == name) {
            print("about to end: {}\n", name);
            way.die();
            fail(__FILE__, __LINE__, name, 0, 1);
            return finish_test();
        }
    error("it knows no such way");
    finish_test();
}
