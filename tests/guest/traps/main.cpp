// Exceptions, software interrupts, callbacks and iret: which vector and error code a guest sees, and what its frames
// hold, from its kernel and from its user mode.

#include "frontends/guest/test.hpp"

#include "hypervisor/abi/vcpu.hpp"

using namespace xylem;
using namespace xylem::guest;
using abi::HypercallNumber;

namespace {

constexpr u64 gp = 13, ud = 6, pf = 14, de = 0, kernel_cs = 0xe030, user_cs = 0xe033, flat_ss = 0xe02b;
constexpr u64 flag_df = 0x400, flag_ac = 0x40000, flag_if = 0x200, flag_iopl = 0x3000;
constexpr u64 non_canonical = u64{1} << 60;
void* const unmapped = reinterpret_cast<void*>(0x5000);

TrapFrame seen;
unsigned count;
u8 mask_inside;
u64 flags_inside;

volatile u8& upcall_mask()
{
    return shared_info().vcpu_info[0].evtchn_upcall_mask;
}

bool record(TrapFrame& frame)
{
    asm volatile("pushf\n pop %0" : "=r"(flags_inside));
    seen = frame;
    mask_inside = upcall_mask();
    ++count;
    return true;
}

u64 selector_of(const TrapFrame& frame)
{
    return frame.cs & 0xffff;
}
u64 saved_mask(const TrapFrame& frame)
{
    return frame.cs >> 32 & 0xff;
}

/// QEMU's TCG tells of a refused INT n by n * 16 + 2, where a processor says n * 8 + 2. Xen takes that for another
/// vector.
bool right_vectors;

u64 refusal_of(u64 vector)
{
    return right_vectors ? vector << 3 | 2 : vector << 4 | 2;
}

void software_interrupts()
{
    for (const u64 vector : {3, 0x80, 0x81, 0x82})
        set_trap_handler(vector, record);
    const Fault refused = TRY_INSTRUCTION("int $0x20", ::); // its gate has DPL 0
    right_vectors = refused.error_code == (0x20 << 3 | 2);
    EXPECT_FAULT(refused, gp, refusal_of(0x20));
    for (const u8 mask : {1, 0}) {
        upcall_mask() = mask;
        u64 after, stack;
        asm volatile("mov %%rsp, %1\n int $0x80\n 1: lea 1b(%%rip), %0" : "=r"(after), "=&r"(stack)::"memory");
        EXPECT(seen.vector, 0x80);
        EXPECT(seen.rip, after);
        EXPECT(seen.rsp, stack);
        EXPECT(selector_of(seen), kernel_cs);
        EXPECT(saved_mask(seen), mask);
        EXPECT(seen.cs >> 40, 0);
        EXPECT(seen.ss, flat_ss);
        EXPECT(seen.rflags & (flag_if | flag_iopl), mask ? 0 : flag_if);
        EXPECT(mask_inside, 1); // the gate says so
        EXPECT(upcall_mask(), mask);
    }
    upcall_mask() = 1;
    count = 0;
    asm volatile("int3\n int $3\n int $0x80" ::: "memory");
    EXPECT(count, 3);
    if (!right_vectors)
        return;
    asm volatile("int $0x81\n int $0x82" ::: "memory");
    EXPECT(count, 5);
}

void flags()
{
    asm volatile("pushf\n orq $0x40400, (%%rsp)\n popf\n int $0x80\n pushf\n andq $~0x40400, (%%rsp)\n popf" ::
                     : "memory", "cc");
    EXPECT(seen.rflags & (flag_df | flag_ac), flag_df | flag_ac);
    EXPECT(flags_inside & flag_ac, 0);
}

void faults()
{
    EXPECT_FAULT(TRY_INSTRUCTION("ud2", ::), ud, 0);
    EXPECT_FAULT(TRY_INSTRUCTION("hlt", ::), gp, 0);
    u64 zero = 0, one = 1, rest = 0;
    EXPECT_FAULT(TRY_INSTRUCTION("div %2", : "+a"(one), "+d"(rest) : "r"(zero)), de, 0);
    u64 value;
    EXPECT_FAULT(try_read(reinterpret_cast<void*>(non_canonical), value), gp, 0);
    const Fault missing = try_read(unmapped, value);
    EXPECT_FAULT(missing, pf, 0);
    EXPECT(missing.address, 0x5000);
    EXPECT_FAULT(try_write(unmapped, 1), pf, 2);
    void* page = allocate_page();
    EXPECT(make_read_only(page), 0);
    EXPECT_NO_FAULT(try_read(page, value));
    const Fault refused = try_write(page, 1);
    EXPECT_FAULT(refused, pf, 3);
    EXPECT(refused.address, reinterpret_cast<u64>(page));
    // The hypervisor's own part of the address space: the M2P may be read.
    EXPECT_NO_FAULT(try_read(reinterpret_cast<void*>(abi::mach2phys_virt_start), value));
    EXPECT_FAULT(try_write(reinterpret_cast<void*>(abi::mach2phys_virt_start), 1), pf, 3);
    EXPECT_TRUE(try_read(reinterpret_cast<void*>(0xffff830000000000), value).faulted);
}

i64 set_traps(const abi::TrapInfo* table)
{
    return hypercall(HypercallNumber::set_trap_table, reinterpret_cast<u64>(table));
}

/// Vector 0x80 goes where the mini kernel expects 0x81, for a while.
void trap_tables()
{
    extern char stubs[] asm("guest_trap_stubs");
    abi::TrapInfo table[2] = {{0x80, 3, 0, reinterpret_cast<u64>(stubs) + 0x81 * 32}, {}};
    EXPECT(set_traps(table), 0);
    upcall_mask() = 0;
    asm volatile("int $0x80" ::: "memory");
    EXPECT(seen.vector, 0x81);
    EXPECT(mask_inside, 0); // this gate does not mask events
    upcall_mask() = 1;
    table[0].address = non_canonical;
    EXPECT_ERROR(set_traps(table), inval);
    EXPECT_ERROR(set_traps(static_cast<abi::TrapInfo*>(unmapped)), fault);
    asm volatile("int $0x80" ::: "memory"); // as it was
    EXPECT(seen.vector, 0x81);
    table[0] = {0x80, 3 | abi::trap_mask_events, 0, reinterpret_cast<u64>(stubs) + 0x80 * 32};
    EXPECT(set_traps(table), 0);
}

i64 register_callback(u16 type, u64 address, u16 callback_flags = 0)
{
    abi::CallbackRegister request{static_cast<abi::CallbackType>(type), callback_flags, address};
    return hypercall(HypercallNumber::callback_op, 0, address_of(request));
}
i64 unregister_callback(u16 type)
{
    abi::CallbackUnregister request{static_cast<abi::CallbackType>(type), 0};
    return hypercall(HypercallNumber::callback_op, 1, address_of(request));
}

void callbacks()
{
    extern char event[] asm("guest_event_entry"), syscall_entry[] asm("guest_syscall_entry"),
        failsafe[] asm("guest_failsafe_entry");
    EXPECT(register_callback(0, reinterpret_cast<u64>(event)), 0);
    EXPECT(register_callback(1, reinterpret_cast<u64>(failsafe), 1), 0);
    EXPECT(register_callback(2, reinterpret_cast<u64>(syscall_entry)), 0);
    EXPECT(register_callback(5, reinterpret_cast<u64>(syscall_entry)), 0);
    EXPECT(register_callback(7, reinterpret_cast<u64>(syscall_entry)), 0);
    EXPECT_ERROR(register_callback(6, reinterpret_cast<u64>(event)), nosys);
    EXPECT_ERROR(register_callback(3, reinterpret_cast<u64>(event)), nosys); // of 32-bit guests
    EXPECT_ERROR(register_callback(0, non_canonical), inval);
    EXPECT_ERROR(unregister_callback(0), inval);
    EXPECT_ERROR(unregister_callback(6), nosys);
    EXPECT(unregister_callback(4), 0);
    EXPECT_ERROR(hypercall(HypercallNumber::callback_op, 2, address_of(event)), nosys);
    EXPECT_ERROR(hypercall(HypercallNumber::callback_op, 0, reinterpret_cast<u64>(unmapped)), fault);
}

void nmis()
{
    extern char stubs[] asm("guest_trap_stubs");
    const abi::TrapInfo table[2] = {{2, abi::trap_mask_events, 0, reinterpret_cast<u64>(stubs) + 2 * 32}, {}};
    EXPECT(set_traps(table), 0);
    set_trap_handler(2, record);
    const auto send = [](u64 argument) {
        return hypercall(HypercallNumber::vcpu_op, static_cast<u64>(abi::VcpuCmd::send_nmi), 0, argument);
    };
    EXPECT_ERROR(send(1), inval);
    count = 0;
    EXPECT(send(0), 0);
    EXPECT(count, 1);
    EXPECT(seen.vector, 2);
    EXPECT(send(0), 0); // the first handler's iret has let the next one in
    EXPECT(count, 2);
}

struct Left {
    u64 rax, rcx, r11, rip;
};

/// Leaves through `frame` to the place behind the hypercall. `frame.rip` and `frame.rsp` are set here where they are 0.
Left leave_by(abi::IretContext& frame)
{
    Left left{static_cast<u64>(HypercallNumber::iret), 0, 0, 0};
    asm volatile("lea 1f(%%rip), %%rbx\n"
                 "mov %%rbx, 24(%[left])\n"
                 "cmpq $0, 32(%[frame])\n"
                 "cmove %%rbx, %%rcx\n"
                 "cmovne 32(%[frame]), %%rcx\n"
                 "mov %%rcx, 32(%[frame])\n"
                 "mov %%rsp, 56(%[frame])\n"
                 "mov %%rbx, resume_at(%%rip)\n"
                 "mov %[frame], %%rsp\n"
                 "mov $23, %%eax\n"
                 "syscall\n"
                 "ud2\n"
                 "1:\n"
                 "mov %%rax, (%[left])\n"
                 "mov %%rcx, 8(%[left])\n"
                 "mov %%r11, 16(%[left])\n" ::[frame] "r"(&frame),
                 [left] "r"(&left)
                 : "rax", "rbx", "rcx", "rdx", "rdi", "rsi", "r11", "memory", "cc");
    return left;
}

extern "C" u64 resume_at;
u64 resume_at;

/// What faulted in leaving goes on behind the hypercall.
bool repair(TrapFrame& frame)
{
    record(frame);
    frame.rip = resume_at;
    frame.cs = kernel_cs;
    frame.ss = flat_ss;
    return true;
}

void irets()
{
    static abi::IretContext frame;
    const abi::IretContext plain{1, 2, 3, 0, 0, user_cs & ~u64{3}, 2, 0, flat_ss};
    for (const u64 rpl : {0, 1, 2}) {
        frame = plain;
        frame.cs |= rpl;
        const Left left = leave_by(frame);
        EXPECT(left.rax, 1);
        EXPECT(left.r11, 2);
        EXPECT(left.rcx, 3);
        EXPECT(upcall_mask(), 1);
    }
    frame = plain;
    frame.flags = abi::vgcf_in_syscall;
    frame.rflags |= flag_if;
    Left left = leave_by(frame);
    EXPECT(left.rcx, left.rip);
    EXPECT(left.r11 & (flag_if | flag_iopl), flag_if);
    EXPECT(upcall_mask(), 0);
    upcall_mask() = 1;

    set_trap_handler(gp, repair);
    frame = plain;
    frame.ss = 0x10; // a descriptor that is not there
    leave_by(frame);
    EXPECT(seen.error_code, 0x10);
    EXPECT(seen.rip, resume_at);
    EXPECT(seen.ss, 0x13);
    frame = plain;
    frame.cs = 0x10;
    leave_by(frame);
    EXPECT(seen.error_code, 0x10);
    frame = plain;
    frame.rip = non_canonical;
    leave_by(frame);
    EXPECT(seen.vector, gp); // QEMU's TCG leaves the error code of the fault before it
    EXPECT(seen.rip, non_canonical);
    set_trap_handler(gp, nullptr);
}

u64 back_rsp, back_rip, user_stack_end;

/// Ends a visit to user mode.
bool come_back(TrapFrame& frame)
{
    record(frame);
    frame.cs = kernel_cs;
    frame.ss = flat_ss;
    frame.rsp = back_rsp;
    frame.rip = back_rip;
    return true;
}

/// Runs the code at `entry` in user mode until it traps.
void visit_user_mode(void (*entry)())
{
    u64 stack = user_stack_end;
    asm volatile("lea 1f(%%rip), %%rax\n"
                 "mov %%rax, %[rip]\n"
                 "mov %%rsp, %[rsp]\n"
                 "push $0xe02b\n"
                 "push %[stack]\n"
                 "push $0x202\n"
                 "push $0xe033\n"
                 "push %[entry]\n"
                 "push $0\n"
                 "push $0\n push $0\n push $0\n"
                 "mov $23, %%eax\n"
                 "syscall\n"
                 "1:\n"
                 : [rip] "=m"(back_rip), [rsp] "=m"(back_rsp), [entry] "+D"(entry), [stack] "+S"(stack)
                 :
                 : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
}

#define USER_CODE(name, text)                                                                                          \
    extern "C" void name();                                                                                            \
    asm(".text\n" #name ":\n" text "\n ud2\n")

USER_CODE(user_syscall, "mov $17, %eax\n xor %edi, %edi\n std\n syscall");
USER_CODE(user_reads_nothing, "mov 0x5000, %rax");
USER_CODE(user_disables_interrupts, "cli");
USER_CODE(user_int_80, "int $0x80");
USER_CODE(user_int_20, "int $0x20");
USER_CODE(user_undefined, "ud2");

void user_mode()
{
    user_stack_end = reinterpret_cast<u64>(allocate_page()) + page_size;
    const u64 root = mfn_of_address(reinterpret_cast<void*>(start_info().pt_base));
    EXPECT(mmuext(abi::MmuextCmd::new_user_baseptr, root), 0);
    for (const u64 vector : {ud, gp, pf, u64{0x80}, vector_syscall})
        set_trap_handler(vector, come_back);
    const auto expect_user_frame = [](u64 vector, u64 error) {
        EXPECT(seen.vector, vector);
        EXPECT(seen.error_code, error);
        EXPECT(selector_of(seen), user_cs);
        EXPECT(saved_mask(seen), 0);
        EXPECT(seen.rsp, user_stack_end);
        EXPECT(seen.rflags & (flag_if | flag_iopl), flag_if);
        upcall_mask() = 1;
    };
    visit_user_mode(user_syscall);
    expect_user_frame(vector_syscall, 0);
    EXPECT(seen.rax, 17); // no hypercall from user mode
    EXPECT(seen.rcx, seen.rip);
    EXPECT(seen.r11, seen.rflags);
    EXPECT(seen.rflags & flag_df, flag_df);
    EXPECT(mask_inside, 0); // set_callbacks() asked for no masking
    visit_user_mode(user_reads_nothing);
    expect_user_frame(pf, 4);
    visit_user_mode(user_disables_interrupts);
    expect_user_frame(gp, 0);
    EXPECT(seen.rip, reinterpret_cast<u64>(user_disables_interrupts));
    visit_user_mode(user_int_80);
    expect_user_frame(0x80, 0);
    visit_user_mode(user_int_20);
    expect_user_frame(gp, refusal_of(0x20));
    visit_user_mode(user_undefined);
    expect_user_frame(ud, 0);
    EXPECT(mmuext(abi::MmuextCmd::new_user_baseptr, 0), 0);
}

}

void xylem_main()
{
    software_interrupts();
    flags();
    faults();
    trap_tables();
    callbacks();
    nmis();
    irets();
    user_mode();
    finish_test();
}
