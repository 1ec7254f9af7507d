// What a guest's kernel sees of the processor: control and debug registers, MSRs, I/O ports, CPUID by the forced
// prefix, the FPU's task-switched flag; and time.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/cpuid.hpp"
#include "hypervisor/abi/physdev.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 gp = 13, ud = 6, nm = 7;
constexpr u64 cr0_ts = 8;

struct Leaf {
    u32 a, b, c, d;
};

Leaf cpuid(u32 leaf, u32 subleaf = 0)
{
    Leaf result;
    asm volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2" // "xen" behind UD2, then CPUID
                 : "=a"(result.a), "=b"(result.b), "=c"(result.c), "=d"(result.d)
                 : "a"(leaf), "c"(subleaf));
    return result;
}

void identification()
{
    const Leaf base = cpuid(abi::cpuid_first_leaf);
    EXPECT(base.a, abi::cpuid_first_leaf + 5);
    EXPECT(base.b, abi::cpuid_signature_ebx);
    EXPECT(base.c, abi::cpuid_signature_ecx);
    EXPECT(base.d, abi::cpuid_signature_edx);
    EXPECT(cpuid(abi::cpuid_first_leaf + 1).a, 4 << 16 | 17);
    const Leaf pages = cpuid(abi::cpuid_first_leaf + 2);
    EXPECT(pages.a, 1);
    EXPECT(pages.b, 0x40000000);
    EXPECT(pages.c & 1, 1);
    EXPECT(cpuid(abi::cpuid_first_leaf + 6).a, 0);
    constexpr u32 leaf1_edx_pse = 1 << 3, leaf1_edx_pge = 1 << 13, leaf1_edx_fxsr = 1 << 24,
                  leaf1_ecx_hypervisor = 1U << 31;
    const Leaf features = cpuid(1);
    EXPECT(features.d & (leaf1_edx_pse | leaf1_edx_pge | leaf1_edx_fxsr), leaf1_edx_fxsr);
    EXPECT(features.c & leaf1_ecx_hypervisor, leaf1_ecx_hypervisor);
    EXPECT_FAULT(TRY_INSTRUCTION(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6f", ::), ud, 0); // not the prefix
}

u64 read_cr0()
{
    u64 value;
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

void control_registers()
{
    u64 value = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %%cr3, %0", : "=r"(value)));
    EXPECT(value, mfn_of_address(reinterpret_cast<void*>(start_info().pt_base)) << page_shift);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %0, %%cr3", ::"r"(value)));
    EXPECT_FAULT(TRY_INSTRUCTION("mov %0, %%cr3", ::"r"(u64{0xfffffff} << page_shift)), gp, 0);
    constexpr u64 pge = 1 << 7, smep = 1 << 20, pae = 1 << 5, osfxsr = 1 << 9;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %%cr4, %0", : "=r"(value)));
    EXPECT(value & (pge | smep | pae | osfxsr), pae | osfxsr);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %0, %%cr4", ::"r"(value | pge | smep)));
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %%cr4, %0", : "=r"(value)));
    EXPECT(value & (pge | smep), 0);
    EXPECT_FAULT(TRY_INSTRUCTION("mov %0, %%cr0", ::"r"(read_cr0() & ~u64{0x10000})), gp, 0);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %0, %%cr2", ::"r"(u64{0x1234})));
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %%cr2, %0", : "=r"(value)));
    EXPECT(value, 0x1234);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("wbinvd", ::));
    EXPECT_FAULT(TRY_INSTRUCTION("invlpg (%0)", ::"r"(&value)), gp, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("invd", ::), gp, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("lgdt (%0)", ::"r"(&value)), gp, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("ltr %w0", ::"r"(0)), gp, 0);
}

unsigned not_available;

bool count_nm(TrapFrame&)
{
    ++not_available;
    return true;
}

/// The hypervisor clears the flag as it delivers #NM; what was in the registers stays.
void task_switched()
{
    set_trap_handler(nm, count_nm);
    const auto taskswitch = [](u64 set) { return hypercall(HypercallNumber::fpu_taskswitch, set); };
    u64 in = 0x123456789, out = 0;
    asm volatile("movq %0, %%xmm3" ::"r"(in));
    EXPECT(taskswitch(1), 0);
    EXPECT(read_cr0() & cr0_ts, cr0_ts);
    asm volatile("movq %%xmm3, %0" : "=r"(out));
    EXPECT(not_available, 1);
    EXPECT(out, in);
    EXPECT(read_cr0() & cr0_ts, 0);
    EXPECT(taskswitch(1), 0);
    EXPECT(taskswitch(0), 0);
    asm volatile("movq %%xmm3, %0" : "=r"(out));
    EXPECT(not_available, 1);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %0, %%cr0", ::"r"(read_cr0() | cr0_ts)));
    EXPECT_NO_FAULT(TRY_INSTRUCTION("clts", ::));
    asm volatile("movq %%xmm3, %0" : "=r"(out));
    EXPECT(not_available, 1);
}

i64 set_debug_register(u64 number, u64 value)
{
    return hypercall(HypercallNumber::set_debugreg, number, value);
}
i64 debug_register(u64 number)
{
    return hypercall(HypercallNumber::get_debugreg, number);
}

u64 single_steps, stepped_to;

bool count_step(TrapFrame& frame)
{
    ++single_steps;
    stepped_to = frame.rip;
    frame.rflags &= ~u64{0x100};
    return true;
}

void debug_registers()
{
    EXPECT(debug_register(6), 0xffff0ff0);
    EXPECT(debug_register(7), 0x400);
    EXPECT(set_debug_register(0, 0x1234), 0);
    EXPECT(debug_register(0), 0x1234);
    EXPECT_ERROR(set_debug_register(0, 0xffff830000000000), perm);
    EXPECT_ERROR(set_debug_register(7, u64{1} << 32), inval);
    EXPECT_ERROR(set_debug_register(7, 1 << 13), perm);
    EXPECT_ERROR(set_debug_register(8, 0), nodev);
    EXPECT_ERROR(debug_register(8), nodev);
    u64 value = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %%dr0, %0", : "=r"(value)));
    EXPECT(value, 0x1234);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("mov %0, %%dr1", ::"r"(u64{0x5678})));
    EXPECT(debug_register(1), 0x5678);

    set_trap_handler(1, count_step);
    u64 expected;
    asm volatile("pushf\n orq $0x100, (%%rsp)\n popf\n nop\n 1: lea 1b(%%rip), %0" : "=r"(expected)::"memory", "cc");
    EXPECT(single_steps, 1);
    EXPECT(stepped_to, expected);
    EXPECT(debug_register(6) & 0x4000, 0x4000);

    // The hypervisor's own steps in the guest's place are steps too.
    EXPECT(set_debug_register(6, 0), 0);
    u32 a = 0, b, c = 0, d;
    asm volatile("pushf\n orq $0x100, (%%rsp)\n popf\n .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2\n"
                 " 1: mov %%rax, %%rax\n lea 1b(%%rip), %4"
                 : "+a"(a), "=b"(b), "+c"(c), "=d"(d), "=r"(expected)::"memory", "cc");
    EXPECT(single_steps, 2);
    EXPECT(stepped_to, expected);
    EXPECT(debug_register(6) & 0x4000, 0x4000);
}

void msrs()
{
    const auto read = [](u32 msr, u64& value) {
        u32 low = 0, high = 0;
        const Fault fault = TRY_INSTRUCTION("rdmsr", : "=a"(low), "=d"(high) : "c"(msr));
        value = u64{high} << 32 | low;
        return fault;
    };
    const auto write = [](u32 msr, u64 value) {
        return TRY_INSTRUCTION("wrmsr", ::"c"(msr), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
    };
    u64 value;
    EXPECT_NO_FAULT(read(0xc0000080, value)); // EFER: as it is, and not to be changed
    EXPECT(value & 0x501, 0x501);
    EXPECT_NO_FAULT(write(0xc0000080, value));
    EXPECT_FAULT(write(0xc0000080, value ^ 1), gp, 0);
    EXPECT_NO_FAULT(read(0x277, value));
    EXPECT(value, 0x050100070406);
    EXPECT_FAULT(write(0x277, value), gp, 0);
    EXPECT_FAULT(write(0x10, 0), gp, 0);
    EXPECT_FAULT(read(0x12345678, value), gp, 0);
    EXPECT_FAULT(write(0x12345678, 0), gp, 0);
    EXPECT_FAULT(write(0x40000000, 1), gp, 0);
    EXPECT_FAULT(read(0x40000001, value), gp, 0);
    EXPECT_NO_FAULT(read(0x1b, value));
    EXPECT(value, 0xfee00900);
}

void ports()
{
    const auto in = [](u16 port, u8& value) { return TRY_INSTRUCTION("inb %1, %0", : "=a"(value) : "d"(port)); };
    u8 value = 0;
    EXPECT_FAULT(in(0x80, value), gp, 0); // no virtual IOPL yet
    EXPECT_FAULT(TRY_INSTRUCTION("cli", ::), gp, 0);
    abi::PhysdevSetIopl iopl{4};
    const auto set_iopl = [&] {
        return hypercall(HypercallNumber::physdev_op, static_cast<u64>(abi::PhysdevCmd::set_iopl), address_of(iopl));
    };
    EXPECT_ERROR(set_iopl(), inval);
    iopl.iopl = 1;
    EXPECT(set_iopl(), 0);
    shared_info().vcpu_info[0].evtchn_upcall_mask = 0;
    EXPECT_NO_FAULT(TRY_INSTRUCTION("cli", ::));
    EXPECT(shared_info().vcpu_info[0].evtchn_upcall_mask, 0); // skipped
    EXPECT_NO_FAULT(in(0x21, value));                         // the interrupt controller is not the guest's: all ones
    EXPECT(value, 0xff);
    EXPECT_NO_FAULT(TRY_INSTRUCTION("outb %b0, $0x21", ::"a"(0)));
    EXPECT_NO_FAULT(in(0x80, value));
    iopl.iopl = 0;
    EXPECT(set_iopl(), 0);
    EXPECT_FAULT(in(0x21, value), gp, 0);

    // The bitmap permits ports, and nothing else.
    static u8 bits[8192];
    bits[0x21 / 8] = 1 << 0x21 % 8;
    abi::PhysdevSetIobitmap bitmap{{address_of(bits)}, 65536};
    const auto set_bitmap = [&] {
        return hypercall(HypercallNumber::physdev_op, static_cast<u64>(abi::PhysdevCmd::set_iobitmap),
                         address_of(bitmap));
    };
    EXPECT(set_bitmap(), 0);
    EXPECT_NO_FAULT(in(0x80, value));
    EXPECT_FAULT(in(0x21, value), gp, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("inw $0x20, %w0", : "=a"(value)), gp, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("cli", ::), gp, 0);
    bitmap.nr_ports = 0x80;
    EXPECT(set_bitmap(), 0);
    EXPECT_FAULT(in(0x80, value), gp, 0);
    bitmap = {};
    EXPECT(set_bitmap(), 0);
}

void clock()
{
    const volatile abi::VcpuTimeInfo& time = shared_info().vcpu_info[0].time;
    EXPECT(time.version & 1, 0);
    EXPECT_TRUE(time.tsc_to_system_mul != 0 && time.system_time != 0);
    u64 before = 0;
    for (unsigned round = 0; round < 200; ++round) {
        u32 version, low, high;
        u64 now;
        do {
            version = time.version;
            asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
            const u64 delta = (u64{high} << 32 | low) - time.tsc_timestamp;
            const u64 shifted = time.tsc_shift < 0 ? delta >> -time.tsc_shift : delta << time.tsc_shift;
            now = time.system_time +
                  static_cast<u64>(static_cast<unsigned __int128>(shifted) * time.tsc_to_system_mul >> 32);
        } while (time.version != version || version & 1);
        EXPECT_TRUE(now >= before);
        before = now;
        hypercall(HypercallNumber::sched_op, static_cast<u64>(abi::SchedCmd::yield));
    }
    EXPECT(shared_info().wc_version & 1, 0);
    EXPECT_TRUE(shared_info().wc_sec > 1'600'000'000); // after 2020
    EXPECT_TRUE(shared_info().wc_nsec < 1'000'000'000);
}

}

void xylem_main()
{
    identification();
    control_registers();
    task_switched();
    debug_registers();
    msrs();
    ports();
    clock();
    finish_test();
}
