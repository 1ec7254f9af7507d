// Delivery: the frames that a guest kernel finds on its stack. (docs/pv-abi.md 2.4;
// xen/include/public/arch-x86/xen-x86_64.h)
//
// From low to high: rcx, r11, [error code], rip, cs with the old upcall mask in bits 39:32, rflags, rsp, ss. The guest
// is always entered in kernel mode with the flat selectors. A stack that cannot take the frame is the end of the
// domain: there is no double fault here.

#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/domain.hpp"

namespace xylem::arch {
namespace {

constexpr u64 flags_cleared_on_entry = 0x40000 | 0x20000 | 0x10000 | 0x4000 | 0x100; // AC, VM, RF, NT, TF
constexpr u64 flag_interrupt = 0x200;

struct Frame {
    u64 words[11];
    unsigned count = 0;
    void push(u64 word) { words[count++] = word; }
};

/// The part that all frames have: rip, cs, rflags, rsp, ss.
void push_interrupted_state(Frame& frame, const Vcpu& vcpu, const GuestRegs& regs, bool from_user, u8 old_mask)
{
    const u64 selector = from_user ? (regs.cs & 0xffff) : (regs.cs & 0xfffc);
    u64 flags = regs.rflags & ~flag_interrupt;
    if (!old_mask)
        flags |= flag_interrupt;
    if (vcpu.domain->vm_assist_enabled(abi::VmassistType::architectural_iopl))
        flags |= u64{vcpu.iopl} << 12;
    frame.push(regs.rip);
    frame.push(selector | u64{old_mask} << 32);
    frame.push(flags);
    frame.push(regs.rsp);
    frame.push(regs.ss & 0xffff);
}

/// Puts `frame` on the guest kernel's stack and enters `address`.
void enter_kernel(Vcpu& vcpu, GuestRegs& regs, const Frame& frame, bool from_user, u64 address, bool mask_events)
{
    if (from_user)
        toggle_mode(vcpu);
    const u64 top = (from_user ? vcpu.kernel_sp : regs.rsp) & ~u64{15};
    const u64 base = top - frame.count * 8;
    if (!guest_range_ok(base, frame.count * 8) || machine::copy_to_guest(base, frame.words, frame.count * 8) != 0)
        return crash_domain(*vcpu.domain, "its kernel stack cannot take an exception frame");
    if (address == 0)
        return crash_domain(*vcpu.domain, "no handler for what had to be delivered");
    if (mask_events)
        vcpu.info->evtchn_upcall_mask = 1;
    regs.rip = address;
    regs.cs = SELECTOR_GUEST_CODE64;
    regs.ss = SELECTOR_GUEST_DATA;
    regs.rsp = base;
    regs.rflags = (regs.rflags & ~flags_cleared_on_entry) | flag_interrupt;
}

}

void bounce(Vcpu& vcpu, GuestRegs& regs, u64 address, bool mask_events, std::optional<u32> error_code)
{
    const bool from_user = !vcpu.kernel_mode;
    Frame frame;
    frame.push(regs.rcx);
    frame.push(regs.r11);
    if (error_code)
        frame.push(*error_code);
    push_interrupted_state(frame, vcpu, regs, from_user, vcpu.info->evtchn_upcall_mask);
    enter_kernel(vcpu, regs, frame, from_user, address, mask_events);
}

void bounce_failsafe(Vcpu& vcpu, GuestRegs& regs, const u16 (&wanted)[4])
{
    const bool from_user = !vcpu.kernel_mode;
    Frame frame;
    frame.push(regs.rcx);
    frame.push(regs.r11);
    for (u16 selector : wanted)
        frame.push(selector);
    push_interrupted_state(frame, vcpu, regs, from_user, vcpu.info->evtchn_upcall_mask);
    enter_kernel(vcpu, regs, frame, from_user, vcpu.failsafe_callback.address, vcpu.failsafe_callback.masks_events);
}

void deliver(Vcpu& vcpu, GuestRegs& regs, u8 vector, std::optional<u32> error_code)
{
    const abi::TrapInfo& handler = vcpu.traps[vector];
    if (handler.address == 0)
        log(LogLevel::info, "d{}v{}: no handler for vector {} (error {:x}) at rip {:x}", vcpu.domain->id, vcpu.id,
            vector, error_code.value_or(0), regs.rip);
    bounce(vcpu, regs, handler.address, (handler.flags & abi::trap_mask_events) != 0, error_code);
}

void deliver_page_fault(Vcpu& vcpu, GuestRegs& regs, u64 address, u32 error_code)
{
    vcpu.cr2 = address;
    vcpu.info->arch.cr2 = address;
    deliver(vcpu, regs, vector_page_fault, vcpu.kernel_mode ? error_code & ~u32{4} : error_code | 4);
}

}
