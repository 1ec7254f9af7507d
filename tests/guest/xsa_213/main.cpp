// XSA-213: an iret, and calls that give the processor away, in each place of a multicall. What stands behind an iret is
// not run, what stands behind the others is, and afterwards hypercalls are what they were.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 count = 5, untouched = 0x7777, version = 4 << 16 | 17, marker = 1234;
constexpr abi::MulticallEntry version_entry{static_cast<u64>(HypercallNumber::xen_version), untouched, {}};
abi::MulticallEntry list[count];

volatile u8& upcall_mask()
{
    return shared_info().vcpu_info[0].evtchn_upcall_mask;
}

void fill()
{
    for (abi::MulticallEntry& entry : list)
        entry = version_entry;
}

/// The multicall with the stack pointer at an iret frame that leads behind it. @return RAX there
u64 leave_by_multicall()
{
    static abi::IretContext frame;
    constexpr u64 kernel_cs = abi::flat_ring3_cs64 & ~3;
    frame = {marker, 0, 0, 0, 0, kernel_cs, 0x202, 0, abi::flat_ring3_ss64};
    u64 result = static_cast<u64>(HypercallNumber::multicall);
    asm volatile("lea 1f(%%rip), %%rbx\n"
                 "mov %%rbx, 32(%[frame])\n"
                 "mov %%rsp, 56(%[frame])\n"
                 "mov %[frame], %%rsp\n"
                 "syscall\n"
                 "ud2\n"
                 "1:\n"
                 : "+a"(result)
                 : [frame] "r"(&frame), "D"(list), "S"(count)
                 : "rbx", "rcx", "r11", "rdx", "memory");
    return result;
}

void expect_hypercalls_as_ever()
{
    EXPECT(hypercall(HypercallNumber::xen_version, 0), version);
    fill();
    EXPECT(hypercall(HypercallNumber::multicall, reinterpret_cast<u64>(list), count), 0);
    for (const abi::MulticallEntry& entry : list)
        EXPECT(entry.result, version);
}

void iret_at(u64 index)
{
    fill();
    list[index].op = static_cast<u64>(HypercallNumber::iret);
    upcall_mask() = 1;
    EXPECT(leave_by_multicall(), marker);
    EXPECT(upcall_mask(), 0);
    for (u64 i = 0; i < count; ++i)
        if (i != index)
            EXPECT(list[i].result, i < index ? version : untouched);
    EXPECT(list[index].op, HypercallNumber::iret);
}

void giving_way_at(u64 index, abi::SchedCmd command, u64 argument)
{
    fill();
    list[index] = {static_cast<u64>(HypercallNumber::sched_op), untouched, {static_cast<u64>(command), argument}};
    EXPECT(hypercall(HypercallNumber::multicall, reinterpret_cast<u64>(list), count), 0);
    for (u64 i = 0; i < count; ++i)
        EXPECT(list[i].result, i == index ? 0 : version);
}

/// A vCPU that blocks with an event pending does not stay away.
void block_at(u64 index)
{
    upcall_mask() = 1;
    shared_info().vcpu_info[0].evtchn_upcall_pending = 1;
    giving_way_at(index, abi::SchedCmd::block, 0);
    EXPECT(upcall_mask(), 0);
}

bool take_upcall(TrapFrame&)
{
    shared_info().vcpu_info[0].evtchn_upcall_pending = 0;
    return true;
}

}

void xylem_main()
{
    set_trap_handler(vector_event, take_upcall);
    abi::SchedPoll poll{};
    poll.timeout = 1; // it has been already
    for (u64 index = 0; index < count; ++index) {
        iret_at(index);
        expect_hypercalls_as_ever();
        giving_way_at(index, abi::SchedCmd::yield, 0);
        giving_way_at(index, abi::SchedCmd::poll, address_of(poll));
        block_at(index);
        expect_hypercalls_as_ever();
    }
    finish_test();
}
