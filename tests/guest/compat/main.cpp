// 32-bit programs under a 64-bit kernel: their system calls by SYSCALL (which AMD's processors have there), SYSENTER
// (which Intel's have) and INT 0x80, their exceptions, and what a kernel that has registered no callback sees of them.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 ud = 6, gp = 13, pf = 14, kernel_cs = 0xe030, compat_cs = 0xe023, flat_ss = 0xe02b, null_cs = 3;
constexpr u64 flag_if = 0x200, flag_nt = 0x4000;
constexpr u64 low = 0x10000000, code_address = low, stack_end = low + 2 * page_size;

extern char guest_syscall[] asm("guest_syscall_entry");

TrapFrame seen;
u8 mask_inside;
u64 back_rsp, back_rip;

volatile u8& upcall_mask()
{
    return shared_info().vcpu_info[0].evtchn_upcall_mask;
}

/// Ends a visit to user mode.
bool come_back(TrapFrame& frame)
{
    seen = frame;
    mask_inside = upcall_mask();
    upcall_mask() = 1;
    frame.cs = kernel_cs;
    frame.ss = flat_ss;
    frame.rsp = back_rsp;
    frame.rip = back_rip;
    frame.rflags &= ~flag_nt;
    return true;
}

/// Runs the code at `code_address` as a 32-bit program until it traps. Its EAX is 17, its other registers 0.
void run_program(u64 flags = 0)
{
    u64 stack = stack_end, entry = code_address, all_flags = 0x202 | flags;
    asm volatile(
        "lea 1f(%%rip), %%rax\n"
        "mov %%rax, %[rip]\n"
        "mov %%rsp, %[rsp]\n"
        "push $0xe02b\n"
        "push %[stack]\n"
        "push %[flags]\n"
        "push $0xe023\n"
        "push %[code]\n"
        "push $0\n"
        "push $0\n push $0\n push $17\n"
        "mov $23, %%eax\n"
        "syscall\n"
        "1:\n"
        : [rip] "=m"(back_rip), [rsp] "=m"(back_rsp), [stack] "+D"(stack), [code] "+S"(entry), [flags] "+d"(all_flags)
        :
        : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

char* code; // the program's page, where the kernel may write it

/// The program is these bytes, and UD2 behind them.
template <size_t size> void load_program(const char (&bytes)[size])
{
    __builtin_memcpy(code, bytes, size - 1);
    __builtin_memcpy(code + size - 1, "\x0f\x0b", 2);
}

u64* new_table()
{
    return static_cast<u64*>(allocate_page());
}
u64 entry_for(const void* page, u64 flags)
{
    return mfn_of_address(page) << page_shift | flags;
}

/// Two pages at `low`: the program, and its stack.
void map_low()
{
    constexpr u64 table_flags = abi::pte::present | abi::pte::writable | abi::pte::accessed | abi::pte::user;
    code = static_cast<char*>(allocate_page());
    u64 *l1 = new_table(), *l2 = new_table(), *l3 = new_table();
    l1[0] = entry_for(code, user_page & ~abi::pte::writable);
    l1[1] = entry_for(allocate_page(), user_page);
    l2[low >> 21 & 511] = entry_for(l1, table_flags);
    l3[low >> 30 & 511] = entry_for(l2, table_flags);
    for (const u64* table : {l1, l2, l3})
        EXPECT(make_read_only(table), 0);
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    EXPECT(mmu_update(root << page_shift, entry_for(l3, table_flags)), 0);
    EXPECT(mmuext(abi::MmuextCmd::new_user_baseptr, root), 0);
}

bool is_intel()
{
    u32 a = 0, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return b == 0x756e6547;
}

i64 register_callback(abi::CallbackType type, u64 address, u16 flags = 0)
{
    abi::CallbackRegister request{type, flags, address};
    return hypercall(HypercallNumber::callback_op, 0, address_of(request));
}

const u64 handler = reinterpret_cast<u64>(guest_syscall);
constexpr char syscall_code[] = "\xfd\x0f\x05", sysenter_code[] = "\x0f\x34", int_80_code[] = "\xcd\x80",
               read_code[] = "\xa1\x00\x50\x00\x00";

void expect_frame(u64 vector, u64 cs, u64 rip, u64 rsp)
{
    EXPECT(seen.vector, vector);
    EXPECT(seen.cs & 0xffff, cs);
    EXPECT(seen.cs >> 32 & 0xff, 0);
    EXPECT(seen.rip, rip);
    EXPECT(seen.rsp, rsp);
    EXPECT(seen.ss, flat_ss);
    EXPECT(seen.rflags & flag_if, flag_if);
    EXPECT(seen.rax, 17);
}

void syscall_enters()
{
    EXPECT(register_callback(abi::CallbackType::syscall32, handler), 0);
    load_program(syscall_code);
    run_program();
    expect_frame(vector_syscall, compat_cs, code_address + 3, stack_end);
    EXPECT(seen.rcx, code_address + 3);
    EXPECT(seen.rflags & 0x400, 0x400); // the program's DF
    EXPECT(mask_inside, 0);
}

void sysenter_enters()
{
    EXPECT(register_callback(abi::CallbackType::sysenter, handler), 0);
    load_program(sysenter_code);
    run_program();
    expect_frame(vector_syscall, null_cs, 0, 0); // the processor keeps neither
    EXPECT(mask_inside, 0);
    EXPECT(register_callback(abi::CallbackType::sysenter, handler, abi::callbackf_mask_events), 0);
    run_program();
    expect_frame(vector_syscall, null_cs, 0, 0);
    EXPECT(mask_inside, 1);
    run_program(flag_nt); // with which the kernel's IRET would fault: it has it in the frame alone
    EXPECT(seen.rflags & flag_nt, flag_nt);
}

void sysenter_is_none()
{
    EXPECT(register_callback(abi::CallbackType::sysenter, handler), 0);
    load_program(sysenter_code);
    run_program();
    EXPECT_TRUE(seen.vector == ud || seen.vector == gp); // QEMU's has the second
    EXPECT(seen.cs & 0xffff, compat_cs);
    EXPECT(seen.rip, code_address);
}

void int_80()
{
    load_program(int_80_code);
    run_program();
    expect_frame(0x80, compat_cs, code_address + 2, stack_end);
}

void exceptions()
{
    load_program("");
    run_program();
    expect_frame(ud, compat_cs, code_address, stack_end);
    load_program(read_code);
    run_program();
    expect_frame(pf, compat_cs, code_address, stack_end);
    EXPECT(seen.error_code, 4);
    load_program("\xf4"); // HLT
    run_program();
    expect_frame(gp, compat_cs, code_address, stack_end);
}

/// Without a callback SYSCALL is no instruction, and SYSENTER a fault.
void no_callbacks()
{
    EXPECT(register_callback(abi::CallbackType::syscall32, 0), 0);
    EXPECT(register_callback(abi::CallbackType::sysenter, 0), 0);
    load_program(syscall_code);
    run_program();
    expect_frame(ud, compat_cs, code_address + 1, stack_end);
    if (!is_intel())
        return;
    load_program(sysenter_code);
    run_program();
    expect_frame(gp, null_cs, 0, 0);
    EXPECT(seen.error_code, 0);
}

}

void xylem_main()
{
    map_low();
    upcall_mask() = 1;
    for (const u64 vector : {ud, gp, pf, u64{0x80}, vector_syscall})
        set_trap_handler(vector, come_back);
    syscall_enters();
    is_intel() ? sysenter_enters() : sysenter_is_none();
    int_80();
    exceptions();
    no_callbacks();
    finish_test();
}
