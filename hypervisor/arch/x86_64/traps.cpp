// Every exception and interrupt, sorted by who was interrupted and what it means.

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/domain.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/descriptors.hpp"

namespace xylem::arch {
namespace {

constexpr u32 first_interrupt_vector = 32;
constexpr u32 syscall_vector = 0x100, syscall32_vector = 0x101, sysenter_vector = 0x102;
constexpr u64 flag_direction = 0x400;

/// Set by handle_hypervisor_trap when a guest's own IRET frame faulted; taken by handle_guest_iret_fault.
struct IretFault {
    u32 vector = 0, error_code = 0;
};
IretFault iret_faults[max_cpus];

bool has_error_code(u32 vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 ||
           vector == 30;
}

u64 read_cr2()
{
    u64 value;
    asm volatile("mov %%cr2, %0" : "=r"(value));
    return value;
}

bool in_hole(u64 address)
{
    return address >= LAYOUT_M2P_GUEST && address < LAYOUT_END;
}

/// A descriptor that the processor wanted was not mapped: LDT pages are mapped when first used. @return whether it is
/// now
bool map_descriptor_page(Vcpu& vcpu, u64 address)
{
    const u64 window = LAYOUT_PER_DOMAIN + vcpu.id.value * u64{WINDOW_STRIDE} + WINDOW_LDT;
    if (address < window || address >= window + 16 * page_size)
        return false;
    return mm::map_ldt_page(vcpu, static_cast<unsigned>((address - window) >> page_shift));
}

void page_fault(Vcpu& vcpu, GuestRegs& regs)
{
    namespace bits = abi::page_fault;
    const u64 address = read_cr2();
    if (regs.error_code & bits::reserved)
        panic("reserved bits in a page table: address {:x}, rip {:x}", address, regs.rip);
    if (in_hole(address) && !(regs.error_code & bits::user)) {
        if (map_descriptor_page(vcpu, address))
            return;
        const u64 window = LAYOUT_PER_DOMAIN + vcpu.id.value * u64{WINDOW_STRIDE};
        if (address >= window + WINDOW_LDT && address < window + WINDOW_STRIDE)
            return deliver_page_fault(vcpu, regs, vcpu.ldt_base + (address - window - WINDOW_LDT), regs.error_code);
        const u32 selector = static_cast<u32>(address - window) & 0xfff8;
        return deliver(vcpu, regs, vector_general_protection, selector);
    }
    const bool write_protected =
        (regs.error_code & (bits::present | bits::write | bits::instruction)) == (bits::present | bits::write);
    if (write_protected && vcpu.kernel_mode && !in_hole(address) &&
        (emulate_page_table_write(vcpu, regs, address) ||
         (vcpu.domain->is_hardware_domain && discard_io_write(vcpu, regs, address))))
        return;
    deliver_page_fault(vcpu, regs, address, regs.error_code);
}

/// INT n of a vector whose gate we keep for ourselves arrives as #GP with an IDT error code. The code is not to be
/// trusted (QEMU forms it otherwise than processors do): the instruction says which it was. @return whether it was one
bool software_interrupt(Vcpu& vcpu, GuestRegs& regs)
{
    if (!(regs.error_code & 2))
        return false;
    u8 bytes[max_fetch];
    if (fetch_instruction(regs, bytes) < 2 || bytes[0] != 0xcd)
        return false;
    const u8 vector = bytes[1];
    const abi::TrapInfo& handler = vcpu.traps[vector];
    const unsigned needed = vcpu.kernel_mode ? 1 : 3;
    if ((handler.flags & abi::trap_dpl_mask) >= needed && handler.address) {
        regs.rip += 2;
        bounce(vcpu, regs, handler.address, (handler.flags & abi::trap_mask_events) != 0);
    } else {
        deliver(vcpu, regs, vector_general_protection, u32{vector} << 3 | 2);
    }
    return true;
}

void general_protection(Vcpu& vcpu, GuestRegs& regs)
{
    if (regs.error_code == 0 && emulate_privileged(vcpu, regs))
        return;
    if (software_interrupt(vcpu, regs))
        return;
    deliver(vcpu, regs, vector_general_protection, regs.error_code);
}

void debug(Vcpu& vcpu, GuestRegs& regs)
{
    u64 dr6;
    asm volatile("mov %%db6, %0" : "=r"(dr6));
    asm volatile("mov %0, %%db6" ::"r"(u64{0xffff0ff0}));
    vcpu.debug_registers[6] |= dr6 & 0xe00f;
    deliver(vcpu, regs, vector_debug);
}

void int80(Vcpu& vcpu, GuestRegs& regs)
{
    const abi::TrapInfo& handler = vcpu.traps[vector_int80];
    if (handler.address)
        return bounce(vcpu, regs, handler.address, (handler.flags & abi::trap_mask_events) != 0);
    regs.rip -= 2;
    deliver(vcpu, regs, vector_general_protection, u32{vector_int80} << 3 | 2);
}

void device_not_available(Vcpu& vcpu, GuestRegs& regs)
{
    // The guest's kernel learns of it, and TS is cleared for it: Linux's handler relies on that.
    machine::set_task_switched(vcpu, false);
    deliver(vcpu, regs, vector_device_not_available);
}

}

unsigned fetch_instruction(const GuestRegs& regs, u8* bytes)
{
    // The first page's part, then the second's: an instruction may end right before a page that is not there.
    const unsigned in_first_page = static_cast<unsigned>(page_size - (regs.rip & ~page_mask));
    const unsigned first = in_first_page < max_fetch ? in_first_page : max_fetch;
    if (!guest_range_ok(regs.rip, first) || machine::copy_from_guest(bytes, regs.rip, first) != 0)
        return 0;
    const u64 next = regs.rip + first;
    if (first == max_fetch || !guest_range_ok(next, max_fetch - first) ||
        machine::copy_from_guest(bytes + first, next, max_fetch - first) != 0)
        return first;
    return max_fetch;
}

extern "C" void handle_guest_trap(GuestRegs* regs)
{
    Vcpu& vcpu = current();
    const u32 vector = regs->vector;
    if (vector >= first_interrupt_vector && vector != vector_int80)
        return handle_interrupt(static_cast<u8>(vector));
    switch (vector) {
    case vector_page_fault:
        return page_fault(vcpu, *regs);
    case vector_general_protection:
        return general_protection(vcpu, *regs);
    case vector_invalid_opcode:
        if (emulate_forced_cpuid(vcpu, *regs))
            return;
        return deliver(vcpu, *regs, vector_invalid_opcode);
    case vector_device_not_available:
        return device_not_available(vcpu, *regs);
    case vector_debug:
        return debug(vcpu, *regs);
    case vector_int80:
        return int80(vcpu, *regs);
    default:
        return deliver(vcpu, *regs, static_cast<u8>(vector),
                       has_error_code(vector) ? std::optional<u32>(regs->error_code) : std::nullopt);
    }
}

extern "C" char guest_iret[];

/// A trap that interrupted the hypervisor itself: an interrupt while idle, an access to guest memory that failed, a
/// guest's bad IRET frame; anything else is our own bug.
extern "C" void handle_hypervisor_trap(GuestRegs* regs)
{
    const u32 vector = regs->vector;
    if (vector >= first_interrupt_vector)
        return handle_interrupt(static_cast<u8>(vector));
    if (regs->rip == reinterpret_cast<u64>(guest_iret))
        iret_faults[cpu().index] = {vector, regs->error_code};
    // An LDT page that one of our own segment loads needs is mapped as for the guest's.
    if (vector == vector_page_fault && in_hole(read_cr2()) && map_descriptor_page(current(), read_cr2()))
        return;
    if (const u64 fixup = find_fixup(regs->rip)) {
        regs->rip = fixup;
        return;
    }
    panic_on_trap(*regs);
}

extern "C" void handle_guest_iret_fault(GuestRegs* regs)
{
    const IretFault fault = iret_faults[cpu().index];
    regs->vector = fault.vector;
    regs->error_code = fault.error_code;
    Vcpu& vcpu = current();
    if (fault.vector == vector_page_fault)
        return deliver_page_fault(vcpu, *regs, read_cr2(), fault.error_code);
    deliver(vcpu, *regs, static_cast<u8>(fault.vector),
            has_error_code(fault.vector) ? std::optional<u32>(fault.error_code) : std::nullopt);
}

extern "C" void handle_own_stack_exception(GuestRegs* regs)
{
    if (regs->vector == vector_nmi)
        return handle_nmi(*regs);
    if (regs->vector == vector_debug) {
        // A breakpoint of the guest's that hit in our code, or MOV SS before SYSCALL: not to be told to anyone. While
        // we copy, one could hit at each byte, so they are off until the guest runs again.
        current().breakpoints_off = 1;
        current().exit_work = 1;
        asm volatile("mov %0, %%db7" ::"r"(u64{0x400}));
        asm volatile("mov %0, %%db6" ::"r"(u64{0xffff0ff0}));
        regs->rflags &= ~u64{0x100};
        return;
    }
    panic_on_trap(*regs);
}

extern "C" void handle_bad_guest_stack(GuestRegs*)
{
    crash_domain(*current().domain, "its kernel stack cannot be read or written");
}

/// SYSCALL and SYSENTER by the general path: from user mode to the callback, from kernel mode the iret hypercall (the
/// others have their own way in).
extern "C" void handle_syscall(GuestRegs* regs)
{
    Vcpu& vcpu = current();
    if (vcpu.kernel_mode && regs->vector == syscall_vector)
        return machine::iret(vcpu);
    switch (regs->vector) {
    case syscall_vector:
        if (vcpu.syscall_callback == 0) {
            regs->rip -= 2;
            return deliver(vcpu, *regs, vector_invalid_opcode);
        }
        bounce(vcpu, *regs, vcpu.syscall_callback, vcpu.syscall_masks_events);
        regs->rflags &= ~flag_direction; // for the handler; its frame holds the program's flags
        return;
    case syscall32_vector:
        if (vcpu.syscall32_callback.address == 0) {
            regs->rip -= 2;
            return deliver(vcpu, *regs, vector_invalid_opcode);
        }
        bounce(vcpu, *regs, vcpu.syscall32_callback.address, vcpu.syscall32_callback.masks_events);
        regs->rflags &= ~flag_direction;
        return;
    default:
        if (vcpu.sysenter_callback.address == 0)
            return deliver(vcpu, *regs, vector_general_protection, 0);
        return bounce(vcpu, *regs, vcpu.sysenter_callback.address, vcpu.sysenter_callback.masks_events);
    }
}

}

namespace xylem::machine {

void iret(Vcpu& current)
{
    GuestRegs& regs = arch::guest_regs();
    abi::IretContext frame;
    if (!guest_range_ok(regs.rsp, sizeof frame) || copy_from_guest(&frame, regs.rsp, sizeof frame) != 0)
        return crash_domain(*current.domain, "its iret frame cannot be read");
    const bool to_user = (frame.cs & 3) == 3;
    if (to_user && !current.user_root)
        return crash_domain(*current.domain, "iret to user mode without a user page table");
    if (current.domain->vm_assist_enabled(abi::VmassistType::architectural_iopl))
        current.iopl = static_cast<u8>(frame.rflags >> 12 & 3);
    regs.rip = frame.rip;
    regs.rsp = frame.rsp;
    regs.rflags = (frame.rflags & ~u64{0x23000}) | 0x202; // no VM, no IOPL; IF and the fixed bit
    regs.rax = frame.rax;
    if (frame.flags & abi::vgcf_in_syscall) {
        // As by SYSRET: RCX and R11 are what that leaves there, and the selectors the flat ones.
        regs.cs = (frame.cs & 0xffff) == SELECTOR_GUEST_CODE32 ? SELECTOR_GUEST_CODE32 : SELECTOR_GUEST_CODE64;
        regs.ss = SELECTOR_GUEST_DATA;
        regs.rcx = frame.rip;
        regs.r11 = regs.rflags;
    } else {
        regs.cs = (frame.cs | 3) & 0xffff;
        regs.ss = (frame.ss | 3) & 0xffff;
        regs.rcx = frame.rcx;
        regs.r11 = frame.r11;
    }
    current.info->evtchn_upcall_mask = (frame.rflags & 0x200) == 0;
    current.nmi_masked = 0;
    if (to_user)
        arch::toggle_mode(current);
}

}
