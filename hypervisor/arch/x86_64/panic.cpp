// The end for our own faults: what happened, who was served, the callers by name; the other processors stop; then
// reboot or halt.

#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/console.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/power.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"
#include "hypervisor/arch/x86_64/symbols.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/domain.hpp"
#include "hypervisor/hypercall/table.hpp"

namespace xylem::arch {
namespace {

bool panicking = false;

/// The first processor to fail speaks; any other, and a fault while speaking, stops.
void take_the_floor()
{
    if (__atomic_exchange_n(&panicking, true, __ATOMIC_SEQ_CST))
        halt_forever();
    console_in_panic();
    if (machine::cpu_count() > 1)
        send_nmi_to_others();
}

void log_circumstances()
{
    const Cpu& c = cpu();
    log(LogLevel::error, "Processor {} of {}.", c.index, machine::cpu_count());
    const Vcpu* vcpu = c.current;
    if (!vcpu)
        return log(LogLevel::error, "No vCPU has run here yet.");
    if (vcpu->unit.is_idle)
        return log(LogLevel::error, "It was idle.");
    if (vcpu->domain)
        log(LogLevel::error, "Running domain {}, vCPU {}.", vcpu->domain->id, vcpu->id);
    if (c.hypercall < hypercall::table_size)
        log(LogLevel::error, "Serving hypercall {}, {}.", c.hypercall, hypercall::table[c.hypercall].name);
    const GuestRegs& guest = guest_regs();
    log(LogLevel::error, "The guest was at rip {:x}, rsp {:x}, rflags {:x}.", guest.rip, guest.rsp, guest.rflags);
}

void log_registers(const GuestRegs& r)
{
    u64 cr2, cr3;
    asm volatile("mov %%cr2, %0\n mov %%cr3, %1" : "=r"(cr2), "=r"(cr3));
    log(LogLevel::error, "rip {:x} cs {:x} rflags {:x} rsp {:x} ss {:x}", r.rip, r.cs, r.rflags, r.rsp, r.ss);
    log(LogLevel::error, "rax {:x} rbx {:x} rcx {:x} rdx {:x}", r.rax, r.rbx, r.rcx, r.rdx);
    log(LogLevel::error, "rsi {:x} rdi {:x} rbp {:x} r8 {:x}", r.rsi, r.rdi, r.rbp, r.r8);
    log(LogLevel::error, "r9 {:x} r10 {:x} r11 {:x} r12 {:x}", r.r9, r.r10, r.r11, r.r12);
    log(LogLevel::error, "r13 {:x} r14 {:x} r15 {:x} cr2 {:x} cr3 {:x}", r.r13, r.r14, r.r15, cr2, cr3);
}

[[noreturn]] void finish(u64 rip, u64 rbp)
{
    log_circumstances();
    log_backtrace(rip, rbp);
    end_after_panic();
}

}

void halt_forever()
{
    for (;;)
        asm volatile("cli; hlt");
}

void end_after_panic()
{
    if (options.no_reboot) {
        log(LogLevel::error, "noreboot was given: the machine is halted.");
        halt_forever();
    }
    log(LogLevel::error, "Rebooting.");
    reset_machine();
}

void panic_on_trap(const GuestRegs& regs)
{
    take_the_floor();
    log(LogLevel::error, "Panic: unexpected trap {} (error code {:x}) in the hypervisor", regs.vector, regs.error_code);
    log_registers(regs);
    finish(regs.rip, regs.rbp);
}

void handle_nmi(GuestRegs&)
{
    // Nothing that takes a lock may be done here: whoever holds it may be the one that was interrupted.
    if (__atomic_load_n(&panicking, __ATOMIC_SEQ_CST))
        halt_forever();
}

}

namespace xylem::machine {

void panic(const char* text)
{
    arch::take_the_floor();
    log(LogLevel::error, "Panic: {}", text);
    arch::finish(reinterpret_cast<u64>(__builtin_return_address(0)), *static_cast<u64*>(__builtin_frame_address(0)));
}

}
