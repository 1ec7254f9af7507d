// Loading and reading a vCPU's state. (xen/include/public/arch-x86/xen.h, vcpu_guest_context; docs/pv-abi.md 1.10
// and 1.12)

#include "hypervisor/domain/vcpu_context.hpp"

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/roots.hpp"

#include <string.h>

namespace xylem {
namespace {

constexpr u64 rflags_iopl = 0x3000, rflags_vm = 0x20000, rflags_if = 0x200, rflags_fixed = 2;
constexpr u64 known_vm_assist = 0x10000003f; // types 0-5 and m2p_strict

Result<void> check_addresses(const abi::VcpuGuestContext& c)
{
    const u64 addresses[] = {
        c.user_regs.rip,  c.user_regs.rsp, c.kernel_sp,          c.ldt_ents ? c.ldt_base : 0, c.fs_base,
        c.gs_base_kernel, c.gs_base_user,  c.event_callback_eip, c.failsafe_callback_eip,     c.syscall_callback_eip};
    for (u64 address : addresses)
        if (!abi::is_canonical(address))
            return Error::Invalid;
    for (const abi::TrapInfo& trap : c.trap_ctxt)
        if (!abi::is_canonical(trap.address))
            return Error::Invalid;
    return {};
}

Result<void> check(const Vcpu& vcpu, const abi::VcpuGuestContext& c)
{
    TRY(check_addresses(c));
    if (c.ldt_ents && (abi::in_hypervisor_hole(c.ldt_base) || (c.ldt_base & ~page_mask) || c.ldt_ents > 8192))
        return Error::Invalid;
    if (vcpu.id.value == 0 && !vcpu.initialised && (c.vm_assist & ~known_vm_assist))
        return Error::Invalid;
    if (c.gdt_ents > abi::first_reserved_gdt_entry)
        return Error::Invalid;
    if (!(c.flags & abi::vgcf_in_kernel) && c.ctrlreg[1] == 0)
        return Error::Invalid;
    return {};
}

/// A vCPU that has run keeps what would need validation.
Result<void> check_unchanged(const Vcpu& vcpu, const abi::VcpuGuestContext& c)
{
    bool same = (c.ctrlreg[3] & page_mask) == vcpu.kernel_root && (c.ctrlreg[1] & page_mask) == vcpu.user_root &&
                c.gdt_ents == vcpu.gdt_entries && c.ldt_ents == vcpu.ldt_entries &&
                (!c.ldt_ents || c.ldt_base == vcpu.ldt_base);
    for (u64 i = 0; same && i < pages_for(c.gdt_ents * 8); ++i)
        same = c.gdt_frames[i] == vcpu.gdt_frames[i];
    return same ? Result<void>() : Error::NotSupported;
}

void put_root(u64& root)
{
    if (root)
        mm::put_root(mfn_of(MachineAddress(root)));
    root = 0;
}

/// Makes `root` the one at `wanted`, if it is not that already; 0: none.
Result<void> take_root(mm::Owner& owner, u64& root, u64 wanted, mm::RootUse use)
{
    if (root == (wanted & page_mask))
        return {};
    put_root(root);
    if (wanted)
        TRY(mm::take_root(owner, mfn_of(MachineAddress(wanted)), use));
    root = wanted & page_mask;
    return {};
}

/// Takes the GDT and the roots of a vCPU that has not run. What has been taken when a later step is preempted stays
/// with the vCPU, for the call that goes on; a call with another context replaces it.
Result<void> take_memory(Vcpu& vcpu, const abi::VcpuGuestContext& c)
{
    mm::Owner& owner = vcpu.domain->memory;
    if (!c.ctrlreg[3])
        return Error::Invalid;
    TRY(mm::finish_pending(owner));
    TRY(mm::set_gdt(vcpu, c.gdt_frames, static_cast<u32>(c.gdt_ents)));
    TRY(take_root(owner, vcpu.kernel_root, c.ctrlreg[3], mm::RootUse::kernel));
    TRY(take_root(owner, vcpu.user_root, c.ctrlreg[1], mm::RootUse::user));
    vcpu.ldt_base = c.ldt_base;
    vcpu.ldt_entries = static_cast<u32>(c.ldt_ents);
    return {};
}

void put_memory(Vcpu& vcpu)
{
    mm::release_descriptors(vcpu);
    put_root(vcpu.kernel_root);
    put_root(vcpu.user_root);
}

void load_registers(Vcpu& vcpu, const abi::CpuUserRegs& from)
{
    GuestRegs& to = vcpu.regs;
    memcpy(&to, &from, offsetof(abi::CpuUserRegs, error_code)); // the general registers, in the same order
    to.error_code = 0;
    to.vector = 0;
    to.rip = from.rip;
    to.cs = ring3(from.cs);
    to.ss = ring3(from.ss);
    to.rsp = from.rsp;
    to.rflags = (from.rflags & ~(rflags_iopl | rflags_vm)) | rflags_if | rflags_fixed;
    vcpu.iopl = static_cast<u8>((from.rflags & rflags_iopl) >> 12);
    vcpu.ds = from.ds;
    vcpu.es = from.es;
    vcpu.fs = from.fs;
    vcpu.gs = from.gs;
}

void load_traps(Vcpu& vcpu, const abi::VcpuGuestContext& c)
{
    memcpy(vcpu.traps, c.trap_ctxt, sizeof vcpu.traps);
    for (abi::TrapInfo& trap : vcpu.traps)
        trap.cs = ring3(trap.cs);
    vcpu.event_callback = {c.event_callback_eip, 1};
    vcpu.failsafe_callback = {c.failsafe_callback_eip, (c.flags & abi::vgcf_failsafe_disables_events) != 0};
    vcpu.syscall_callback = c.syscall_callback_eip;
    vcpu.syscall_masks_events = (c.flags & abi::vgcf_syscall_disables_events) != 0;
}

}

void set_kernel_stack(Vcpu& vcpu, u64 ss, u64 sp)
{
    vcpu.kernel_ss = ring3(ss);
    vcpu.kernel_sp = sp;
    // The short path writes 56 bytes below an aligned stack pointer without a check: it has been done here.
    const u64 aligned = sp & ~u64{15};
    const bool low = aligned >= 64 && aligned <= abi::lower_half_end;
    const bool high = aligned >= abi::hypervisor_virt_end + 64;
    vcpu.bounce_sp = low || high ? aligned : 0;
}

namespace {

constexpr u64 cr4_de = 8, dr7_enables = 0xff;

/// Whether breakpoint `i` of a DR7 is one on I/O ports.
bool watches_ports(u64 dr7, unsigned i)
{
    return (dr7 >> (16 + i * 4) & 3) == 2;
}

}

Result<u64> get_debug_register(const Vcpu& vcpu, unsigned number)
{
    if (number == 4 || number == 5) {
        if (vcpu.cr4 & cr4_de)
            return Error::NoDevice;
        number += 2;
    }
    return number < 8 ? Result<u64>(vcpu.debug_registers[number]) : Error::NoDevice;
}

u64 processor_dr7(const Vcpu& vcpu)
{
    u64 dr7 = vcpu.debug_registers[7];
    for (unsigned i = 0; i < 4; ++i)
        if (watches_ports(dr7, i))
            dr7 &= ~(u64{3} << i * 2);
    return dr7;
}

u64 port_breakpoints_hit(const Vcpu& vcpu, u16 port, unsigned bytes)
{
    const u64 dr7 = vcpu.debug_registers[7];
    if (!(vcpu.cr4 & cr4_de) || !(dr7 & dr7_enables))
        return 0;
    constexpr u64 widths[] = {1, 2, 8, 4};
    u64 hit = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const u64 width = widths[dr7 >> (18 + i * 4) & 3], start = vcpu.debug_registers[i] & ~(width - 1);
        if ((dr7 >> i * 2 & 3) && watches_ports(dr7, i) && start < u64{port} + bytes && start + width > port)
            hit |= u64{1} << i;
    }
    return hit;
}

Result<void> set_debug_register(Vcpu& vcpu, unsigned number, u64 value)
{
    switch (number) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (abi::in_hypervisor_hole(value) || !abi::is_canonical(value))
            return Error::NotPermitted;
        break;
    case 4:
        if (vcpu.cr4 & cr4_de)
            return Error::NoDevice;
        [[fallthrough]];
    case 6:
        if (value >> 32)
            return Error::Invalid;
        number = 6;
        value = (value & ~u64{0x1000}) | 0xffff0ff0;
        break;
    case 5:
        if (vcpu.cr4 & cr4_de)
            return Error::NoDevice;
        [[fallthrough]];
    case 7:
        if (value >> 32)
            return Error::Invalid;
        number = 7;
        value = (value | 0x400) & ~u64{0xd800};
        if (value & 0x2000)
            return Error::NotPermitted; // GD: nobody but us watches the debug registers
        for (unsigned i = 0; i < 4; ++i)
            if ((value & dr7_enables) && watches_ports(value, i) && !(vcpu.cr4 & cr4_de))
                return Error::NotPermitted;
        break;
    default:
        return Error::NoDevice;
    }
    vcpu.debug_registers[number] = value;
    return {};
}

Result<void> set_vcpu_context(Vcpu& vcpu, const abi::VcpuGuestContext& c)
{
    TRY(check(vcpu, c));
    if (vcpu.initialised) {
        TRY(check_unchanged(vcpu, c));
    } else if (const Result<void> taken = take_memory(vcpu, c); !taken.ok()) {
        if (taken != Error::Preempted)
            put_memory(vcpu);
        return taken;
    }
    load_registers(vcpu, c.user_regs);
    load_traps(vcpu, c);
    set_kernel_stack(vcpu, c.kernel_ss, c.kernel_sp);
    vcpu.kernel_mode = (c.flags & abi::vgcf_in_kernel) != 0;
    vcpu.fs_base = c.fs_base;
    vcpu.gs_base_kernel = c.gs_base_kernel;
    vcpu.gs_base_user = c.gs_base_user;
    vcpu.ts_virtual = (c.ctrlreg[0] & 8) != 0;
    vcpu.cr4 = c.ctrlreg[4] & guest_cr4_bits(*vcpu.domain);
    for (unsigned i = 0; i < 8; ++i)
        if (i != 4 && i != 5)
            (void)set_debug_register(vcpu, i, c.debugreg[i]).ok(); // a bad one is left out, as the ABI has it
    machine::set_fpu_state(vcpu, c.flags & abi::vgcf_i387_valid ? c.fpu_ctxt.x : nullptr);
    if (vcpu.id.value == 0) {
        if (!vcpu.initialised) {
            vcpu.domain->vm_assist = c.vm_assist;
            vcpu.domain->memory.m2p_strict = vcpu.domain->vm_assist_enabled(abi::VmassistType::m2p_strict);
        }
        update_wall_clock(*vcpu.domain); // the builder has cleared the page
    }
    vcpu.time_written = {};
    vcpu.initialised = 1;
    return {};
}

Result<void> get_vcpu_context(Vcpu& vcpu, abi::VcpuGuestContext& c)
{
    if (!vcpu.initialised)
        return Error::NoData;
    memset(&c, 0, sizeof c);
    machine::get_fpu_state(vcpu, c.fpu_ctxt.x);
    c.flags = abi::vgcf_i387_valid | (vcpu.kernel_mode ? abi::vgcf_in_kernel : 0) |
              (vcpu.unit.down ? 0 : abi::vgcf_online) |
              (vcpu.failsafe_callback.masks_events ? abi::vgcf_failsafe_disables_events : 0) |
              (vcpu.syscall_masks_events ? abi::vgcf_syscall_disables_events : 0);
    const GuestRegs& from = vcpu.regs;
    abi::CpuUserRegs& to = c.user_regs;
    memcpy(&to, &from, offsetof(abi::CpuUserRegs, error_code));
    to.rip = from.rip;
    to.cs = static_cast<u16>(from.cs);
    to.ss = static_cast<u16>(from.ss);
    to.rsp = from.rsp;
    to.rflags = from.rflags | u64{vcpu.iopl} << 12;
    to.saved_upcall_mask = vcpu.info->evtchn_upcall_mask;
    to.ds = vcpu.ds;
    to.es = vcpu.es;
    to.fs = vcpu.fs;
    to.gs = vcpu.gs;
    memcpy(c.trap_ctxt, vcpu.traps, sizeof c.trap_ctxt);
    c.ldt_base = vcpu.ldt_base;
    c.ldt_ents = vcpu.ldt_entries;
    memcpy(c.gdt_frames, vcpu.gdt_frames, sizeof c.gdt_frames);
    c.gdt_ents = vcpu.gdt_entries;
    c.kernel_ss = vcpu.kernel_ss;
    c.kernel_sp = vcpu.kernel_sp;
    c.ctrlreg[0] = 0x8005003b | (vcpu.ts_virtual ? 8 : 0);
    c.ctrlreg[1] = vcpu.user_root;
    c.ctrlreg[3] = vcpu.kernel_root;
    c.ctrlreg[4] = vcpu.cr4;
    memcpy(c.debugreg, vcpu.debug_registers, sizeof c.debugreg);
    c.event_callback_eip = vcpu.event_callback.address;
    c.failsafe_callback_eip = vcpu.failsafe_callback.address;
    c.syscall_callback_eip = vcpu.syscall_callback;
    c.vm_assist = vcpu.id.value == 0 ? vcpu.domain->vm_assist : 0;
    c.fs_base = vcpu.fs_base;
    c.gs_base_kernel = vcpu.gs_base_kernel;
    c.gs_base_user = vcpu.gs_base_user;
    return {};
}

}
