// Switching a processor from one vCPU to another, and the last steps before a guest runs.
//
// A vCPU's registers live in the processor while it runs and in its Vcpu otherwise. The switch happens in one place
// only, on the way out to a guest, where the whole of the guest's general registers lie at the top of the stack. Idle
// is a loop right here, so nothing ever has to be resumed inside the hypervisor.

#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/arch/x86_64/guest_msr.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/sched/sched.hpp"
#include "hypervisor/sched/timer.hpp"

#include <string.h>

namespace xylem::arch {

void bounce_failsafe(Vcpu& vcpu, GuestRegs& regs, const u16 (&wanted)[4]);

namespace {

/// load_NAME() loads a data segment; a selector that faults leaves null there. @return whether it loaded. read_NAME()
/// reads it.
#define SEGMENT(name)                                                                                                  \
    bool load_##name(u16 selector)                                                                                     \
    {                                                                                                                  \
        u32 ok;                                                                                                        \
        asm volatile("1: mov %w1, %%" #name "\n"                                                                       \
                     "   mov $1, %0\n"                                                                                 \
                     "   jmp 3f\n"                                                                                     \
                     "2: xor %0, %0\n"                                                                                 \
                     "   mov %w0, %%" #name "\n"                                                                       \
                     "3:\n"                                                                                            \
                     ".pushsection .ex_table, \"a\"\n"                                                                 \
                     ".quad 1b, 2b\n"                                                                                  \
                     ".popsection\n"                                                                                   \
                     : "=&r"(ok)                                                                                       \
                     : "r"(selector)                                                                                   \
                     : "memory");                                                                                      \
        return ok;                                                                                                     \
    }                                                                                                                  \
    u16 read_##name()                                                                                                  \
    {                                                                                                                  \
        u16 selector;                                                                                                  \
        asm volatile("mov %%" #name ", %0" : "=r"(selector));                                                          \
        return selector;                                                                                               \
    }
SEGMENT(ds)
SEGMENT(es)
SEGMENT(fs)
SEGMENT(gs)

void save_segments(Vcpu& vcpu)
{
    vcpu.ds = read_ds();
    vcpu.es = read_es();
    vcpu.fs = read_fs();
    vcpu.gs = read_gs();
    vcpu.fs_base = read_msr(msr_fs_base);
    const u64 active = read_msr(msr_gs_base), inactive = read_msr(msr_inactive_gs_base);
    vcpu.gs_base_kernel = vcpu.kernel_mode ? active : inactive;
    vcpu.gs_base_user = vcpu.kernel_mode ? inactive : active;
}

void load_segments(Vcpu& vcpu, GuestRegs& regs)
{
    const u16 wanted[4] = {vcpu.ds, vcpu.es, vcpu.fs, vcpu.gs};
    bool ok = load_ds(vcpu.ds);
    ok = load_es(vcpu.es) && ok;
    ok = load_fs(vcpu.fs) && ok;
    ok = load_gs(vcpu.gs) && ok;
    write_msr(msr_fs_base, vcpu.fs_base);
    write_msr(msr_gs_base, vcpu.kernel_mode ? vcpu.gs_base_kernel : vcpu.gs_base_user);
    write_msr(msr_inactive_gs_base, vcpu.kernel_mode ? vcpu.gs_base_user : vcpu.gs_base_kernel);
    load_tsc_aux(vcpu);
    if (!ok)
        bounce_failsafe(vcpu, regs, wanted);
}

/// No guest runs here now: none of its roots may stay loaded.
void load_idle_root()
{
    load_boot_gdt();
    machine::load_root(template_root());
}

void switch_out(Vcpu& previous)
{
    save_context(previous);
    stop_periodic(previous);
    // The guest learns that it does not run while its memory is still at hand.
    if (previous.runstate_area) {
        if (!previous.kernel_mode)
            machine::load_root(MachineAddress(previous.kernel_root));
        write_runstate_area_leaving(previous);
    }
}

void switch_to(Vcpu& next)
{
    Cpu& c = cpu();
    c.current = &next;
    if (next.unit.is_idle)
        return load_idle_root();
    load_context(next);
    start_periodic(next);
}

/// Takes the running vCPU off this processor. From then on another one may run it, or its domain may end.
void leave(Vcpu& previous)
{
    switch_out(previous);
    load_idle_root();
    cpu().current = cpu().idle;
    Domain& domain = *previous.domain;
    remove_dirty_cpu(domain);
    domain_get(domain);
    sched::descheduled(previous.unit);
    note_vcpu_stopped(domain);
    domain_put(domain);
}

void reschedule()
{
    Cpu& c = cpu();
    Vcpu& previous = *c.current;
    if (sched::may_continue(previous.unit))
        return;
    if (previous.unit.is_idle)
        sched::descheduled(previous.unit);
    else
        leave(previous);
    switch_to(vcpu_of(sched::pick()));
}

/// Serves this processor's requests. @return whether there were any.
bool do_work()
{
    Cpu& c = cpu();
    const u32 work = atomic_exchange(&c.work, u32{0});
    if (work & work_flush)
        serve_flush_requests();
    if (work & work_call)
        serve_call();
    if (work & work_timer)
        sched::run_timers();
    if (work & work_schedule)
        reschedule();
    return work != 0;
}

/// Clears some memory ahead, if there is any to clear, else waits for an interrupt. The only place where interrupts are
/// on.
void idle()
{
    constexpr unsigned frames_between_interrupts = 16;
    bool has_more = options.idle_scrub;
    for (unsigned i = 0; i < frames_between_interrupts && has_more; ++i)
        has_more = mm::clear_ahead();
    if (has_more)
        asm volatile("sti; nop; cli" ::: "memory");
    else
        asm volatile("sti; hlt; cli" ::: "memory");
}

bool event_due(const Vcpu& vcpu)
{
    return atomic_load(&vcpu.info->evtchn_upcall_pending) && !vcpu.info->evtchn_upcall_mask;
}

/// What is owed to the guest before its next instruction: the end of a poll, an NMI, events.
void deliver_owed(Vcpu& vcpu, GuestRegs& regs)
{
    if (vcpu.polling) {
        vcpu.polling = 0;
        event_channels::stop_poll(vcpu.domain->events, vcpu.events);
        set_poll_timeout(vcpu, {});
    }
    if (vcpu.nmi_pending && !vcpu.nmi_masked) {
        vcpu.nmi_pending = 0;
        if (vcpu.traps[vector_nmi].address) {
            vcpu.nmi_masked = 1;
            deliver(vcpu, regs, vector_nmi);
        }
    }
    vcpu.exit_work = vcpu.nmi_masked;
    if (event_due(vcpu))
        bounce(vcpu, regs, vcpu.event_callback.address, true);
    if (vcpu.breakpoints_off) {
        vcpu.breakpoints_off = 0;
        machine::load_debug_registers(vcpu);
    }
}

}

void toggle_mode(Vcpu& vcpu)
{
    vcpu.kernel_mode = !vcpu.kernel_mode;
    asm volatile("swapgs");
    machine::load_root(MachineAddress(vcpu.kernel_mode ? vcpu.kernel_root : vcpu.user_root));
}

void save_context(Vcpu& vcpu)
{
    vcpu.regs = guest_regs();
    save_segments(vcpu);
    save_fpu(vcpu);
}

void load_context(Vcpu& vcpu)
{
    GuestRegs& regs = guest_regs();
    regs = vcpu.regs;
    add_dirty_cpu(*vcpu.domain);
    load_boot_gdt();
    machine::load_root(MachineAddress(vcpu.kernel_root));
    load_guest_gdt(vcpu);
    machine::load_ldt(vcpu);
    update_guest_time(vcpu);
    if (vcpu.runstate_area)
        write_runstate_area(vcpu); // while the kernel root, in which it lies, is loaded
    if (!vcpu.kernel_mode)
        machine::load_root(MachineAddress(vcpu.user_root));
    restore_fpu(vcpu);
    set_guest_cr4(vcpu);
    machine::load_debug_registers(vcpu);
    load_segments(vcpu, regs);
}

extern "C" void prepare_exit(GuestRegs* regs)
{
    for (;;) {
        while (do_work()) {
        }
        Vcpu& vcpu = current();
        if (vcpu.unit.is_idle) {
            idle();
            atomic_or(&cpu().work, static_cast<u32>(work_schedule));
            continue;
        }
        deliver_owed(vcpu, *regs);
        if (!atomic_load(&cpu().work))
            return;
    }
}

extern "C" [[noreturn]] void enter_guest_first(GuestRegs* regs);

void start_idle()
{
    atomic_or(&cpu().work, static_cast<u32>(work_schedule));
    enter_guest_first(&guest_regs());
}

}

namespace xylem::machine {

GuestRegs& guest_regs(Vcpu& vcpu)
{
    return &vcpu == arch::cpu().current ? arch::guest_regs() : vcpu.regs;
}

void set_segment_base(Vcpu& current, abi::SegmentBase which, u64 base)
{
    switch (which) {
    case abi::SegmentBase::fs:
        return arch::write_msr(arch::msr_fs_base, base);
    case abi::SegmentBase::gs_user:
        return arch::write_msr(current.kernel_mode ? arch::msr_inactive_gs_base : arch::msr_gs_base, base);
    case abi::SegmentBase::gs_kernel:
        return arch::write_msr(current.kernel_mode ? arch::msr_gs_base : arch::msr_inactive_gs_base, base);
    case abi::SegmentBase::gs_user_sel:
        return load_user_gs(current, static_cast<u16>(base));
    }
}

void load_user_gs(Vcpu&, u16 selector)
{
    // Loading GS replaces the active base, which is the kernel's while its hypercall runs: swap it away for the time.
    asm volatile("swapgs");
    arch::load_gs(selector > 3 ? selector | 3 : selector);
    asm volatile("swapgs");
}

}
