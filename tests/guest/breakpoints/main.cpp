// Debug registers at work: breakpoints on code, data and I/O ports, told by #DB and DR6; and two vCPUs that each have
// their own.

#include "frontends/guest/test.hpp"
#include "frontends/guest/vcpus.hpp"

#include "hypervisor/abi/physdev.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 db = 1, gp = 13, ud = 6;
constexpr u64 on_code = 0, on_writes = 1, on_ports = 2, on_accesses = 3;
constexpr u64 one_byte = 0, two_bytes = 1, eight_bytes = 2, four_bytes = 3;
constexpr u64 dr6_reset = 0xffff0ff0, dr6_step = 0x4000, dr7_reset = 0x400, cr4_de = 8;
constexpr u64 flag_resume = 0x10000;

i64 set_register(u64 number, u64 value)
{
    return hypercall(HypercallNumber::set_debugreg, number, value);
}
u64 get_register(u64 number)
{
    return static_cast<u64>(hypercall(HypercallNumber::get_debugreg, number));
}

/// What DR7 says of breakpoint `number`.
constexpr u64 watch(unsigned number, u64 what, u64 width)
{
    return u64{1} << number * 2 | (what | width << 2) << (16 + number * 4);
}

volatile unsigned hits;
volatile u64 hit_at;

bool count_hit(TrapFrame& frame)
{
    hits = hits + 1;
    hit_at = frame.rip;
    frame.rflags |= flag_resume; // or the breakpoint on code hits again
    return true;
}

/// The breakpoints that have hit since the last call, as bits; DR6 is reset.
u64 taken()
{
    const u64 told = get_register(6);
    EXPECT(told & dr6_reset, dr6_reset);
    EXPECT(set_register(6, 0), 0);
    return told & 0xf;
}

extern "C" char watched_code[];

void on_instructions()
{
    hits = 0;
    EXPECT(set_register(1, reinterpret_cast<u64>(watched_code)), 0);
    EXPECT(set_register(7, watch(1, on_code, one_byte)), 0);
    EXPECT(get_register(7), dr7_reset | watch(1, on_code, one_byte));
    asm volatile("nop\n watched_code: nop\n nop" ::: "memory");
    EXPECT(hits, 1);
    EXPECT(hit_at, reinterpret_cast<u64>(watched_code)); // before it runs
    EXPECT(taken(), 2);
    EXPECT(set_register(7, 0), 0);
    EXPECT(get_register(7), dr7_reset);
}

alignas(8) volatile u64 watched[2];

void on_data()
{
    hits = 0;
    EXPECT(set_register(0, reinterpret_cast<u64>(&watched[0])), 0);
    EXPECT(set_register(3, reinterpret_cast<u64>(&watched[1])), 0);
    EXPECT(set_register(7, watch(0, on_writes, eight_bytes) | watch(3, on_accesses, four_bytes)), 0);
    u64 value = watched[0];
    EXPECT(hits, 0);
    watched[0] = 1;
    EXPECT(hits, 1);
    EXPECT(taken(), 1);
    value = watched[1];
    EXPECT(hits, 2);
    EXPECT(taken(), 8);
    asm volatile("movb $1, %0" : "=m"(*(reinterpret_cast<volatile char*>(&watched[1]) + 5)));
    EXPECT(hits, 2); // beyond its four bytes
    // Bits of DR6 stay until they are cleared.
    watched[0] = value;
    watched[1] = value;
    EXPECT(taken(), 9);
    EXPECT(hits, 4);

    // The hypervisor's own accesses are nobody's business, and the breakpoints are there again after them.
    hits = 0;
    abi::SchedPoll poll{{0}, 0, 1};
    EXPECT(set_register(0, address_of(poll)), 0);
    EXPECT(set_register(7, watch(0, on_accesses, eight_bytes)), 0);
    EXPECT(hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::poll), address_of(poll)), 0);
    EXPECT(hits, 0);
    hypercall(HypercallNumber::xen_version, 0);
    asm volatile("movl $0, %0" : "=m"(poll.nr_ports)); // not its eight bytes
    asm volatile("movq $0, %0" : "=m"(poll.ports));
    EXPECT(hits, 1);
    EXPECT(taken(), 1);
    EXPECT(set_register(7, 0), 0);
}

bool write_cr4(u64 value)
{
    return !TRY_INSTRUCTION("mov %0, %%cr4", ::"r"(value)).faulted;
}
u64 read_cr4()
{
    u64 value;
    asm volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

void registers()
{
    EXPECT_ERROR(set_register(0, 0xffff800000000000), perm);
    EXPECT_ERROR(set_register(0, 0xffff87ffffffffff), perm);
    EXPECT_ERROR(set_register(3, u64{1} << 60), perm);
    EXPECT(set_register(3, 0xffff880000000000), 0);
    EXPECT(set_register(3, 0x7fffffffffff), 0);
    EXPECT_ERROR(set_register(6, u64{1} << 32), inval);
    EXPECT_ERROR(set_register(7, u64{1} << 32), inval);
    EXPECT_ERROR(set_register(7, 1 << 13), perm);
    EXPECT_ERROR(set_register(8, 0), nodev);
    EXPECT_ERROR(hypercall(HypercallNumber::get_debugreg, 8), nodev);
    EXPECT(set_register(6, 0x1000), 0);
    EXPECT(get_register(6), dr6_reset);
    EXPECT(set_register(4, dr6_step), 0); // another name of 6
    EXPECT(get_register(6), dr6_reset | dr6_step);
    EXPECT(get_register(4), dr6_reset | dr6_step);
    EXPECT(set_register(6, 0), 0);
    EXPECT(set_register(7, 0xd800), 0);
    EXPECT(get_register(7), dr7_reset);
    EXPECT(get_register(5), dr7_reset);
    EXPECT_ERROR(set_register(7, watch(0, on_ports, one_byte)), perm);
    EXPECT_ERROR(set_register(7, watch(0, on_writes, one_byte) | on_ports << 20), perm); // although that one is off
    EXPECT(set_register(7, on_ports << 20), 0);                                          // as long as all are
    EXPECT(set_register(7, 0), 0);
    u64 value = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %%dr4, %0", : "=r"(value)));
    EXPECT(value, dr6_reset);
    EXPECT_FAULT(TRY_INSTRUCTION("mov %0, %%dr7", ::"r"(u64{1} << 13)), gp, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("mov %0, %%dr0", ::"r"(0xffff830000000000)), gp, 0);

    const u64 cr4 = read_cr4();
    EXPECT_TRUE(write_cr4(cr4 | cr4_de));
    EXPECT(read_cr4() & cr4_de, cr4_de);
    EXPECT_ERROR(set_register(4, 0), nodev);
    EXPECT_ERROR(set_register(5, 0), nodev);
    EXPECT_ERROR(hypercall(HypercallNumber::get_debugreg, 5), nodev);
    EXPECT_FAULT(TRY_INSTRUCTION("mov %%dr4, %0", : "=r"(value)), ud, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("mov %0, %%dr5", ::"r"(u64{0})), ud, 0);
    EXPECT_TRUE(write_cr4(cr4));
}

i64 set_iopl(u32 level)
{
    abi::PhysdevSetIopl iopl{level};
    return hypercall(HypercallNumber::physdev_op, static_cast<u64>(abi::PhysdevCmd::set_iopl), address_of(iopl));
}

/// Ports that are not the guest's read as all ones, and can be watched all the same.
void on_io()
{
    hits = 0;
    const u64 cr4 = read_cr4();
    EXPECT_TRUE(write_cr4(cr4 | cr4_de));
    EXPECT(set_iopl(1), 0);
    EXPECT(set_register(2, 0x21), 0);
    EXPECT(set_register(7, watch(2, on_ports, one_byte)), 0);
    EXPECT(get_register(7), dr7_reset | watch(2, on_ports, one_byte));
    u8 value = 0;
    u64 next = 0;
    asm volatile("inb $0x21, %0\n 1: lea 1b(%%rip), %1" : "=a"(value), "=r"(next));
    EXPECT(value, 0xff);
    EXPECT(hits, 1);
    EXPECT(hit_at, next); // after it has run
    EXPECT(taken(), 4);
    asm volatile("inb $0x20, %0" : "=a"(value));
    EXPECT(hits, 1);
    u16 wide = 0;
    asm volatile("inw $0x20, %0" : "=a"(wide));
    EXPECT(hits, 2);
    EXPECT(taken(), 4);
    asm volatile("outb %b0, $0x21" ::"a"(0));
    EXPECT(hits, 3);
    EXPECT(taken(), 4);
    u8 bytes[4] = {};
    u64 count = 4, place = address_of(bytes[0]);
    asm volatile("rep insb" : "+c"(count), "+D"(place) : "d"(0x21) : "memory");
    EXPECT(hits, 7); // after each
    EXPECT(bytes[3], 0xff);
    EXPECT(taken(), 4);
    EXPECT(set_register(7, 0), 0);
    asm volatile("inb $0x21, %0" : "=a"(value));
    EXPECT(hits, 7);
    EXPECT(set_iopl(0), 0);
    EXPECT_TRUE(write_cr4(cr4));
}

volatile u64 second_dr0, second_dr7, second_hits;

void run_second(void*)
{
    const unsigned before = hits;
    watched[0] = 5; // the first vCPU watches it
    second_hits = hits - before;
    second_dr0 = get_register(0);
    second_dr7 = get_register(7);
    hypercall(HypercallNumber::set_debugreg, 0, 0x4000);
    hypercall(HypercallNumber::set_debugreg, 7, watch(0, on_code, one_byte));
}

void on_two_vcpus()
{
    if (vcpus() < 2)
        return skip("there is one vCPU only");
    EXPECT(set_register(0, reinterpret_cast<u64>(&watched[0])), 0);
    EXPECT(set_register(7, watch(0, on_writes, eight_bytes)), 0);
    EXPECT_TRUE(start_vcpu(1, run_second, nullptr).ok());
    while (!vcpu_is_down(1))
        relax();
    EXPECT(second_hits, 0);
    EXPECT(second_dr0, 0);
    EXPECT(second_dr7, dr7_reset);
    EXPECT(get_register(0), reinterpret_cast<u64>(&watched[0]));
    hits = 0;
    for (unsigned i = 0; i < 20; ++i) {
        hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::yield));
        watched[0] = i;
    }
    EXPECT(hits, 20);
    EXPECT(taken(), 1);
    EXPECT(set_register(7, 0), 0);
}

}

void xylem_main()
{
    set_trap_handler(db, count_hit);
    registers();
    on_instructions();
    on_data();
    on_io();
    on_two_vcpus();
    finish_test();
}
