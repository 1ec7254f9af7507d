// The machine's half of a vCPU: FPU image, descriptor windows, LDT, debug registers, CR4; and the way of a hypercall
// from its registers to its handler.

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/arch/x86_64/gate.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/table.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/heap.hpp"

#include <string.h>

namespace xylem::arch {
namespace {

constexpr u64 guest_gdt_limit = 0xefff;
// Where a processor puts the descriptor of the LDT that it loads: behind our selectors, one slot of two words each.
constexpr u16 first_ldt_selector = 0xe200;

u64 window_of(const Vcpu& vcpu)
{
    return LAYOUT_PER_DOMAIN + vcpu.id.value * u64{WINDOW_STRIDE};
}

}

void load_guest_gdt(Vcpu& vcpu)
{
    const TablePointer pointer{guest_gdt_limit, window_of(vcpu)};
    asm volatile("lgdt %0" ::"m"(pointer));
}

void set_guest_cr4(Vcpu& vcpu)
{
    // OSXSAVE stays as we have it: XCR0 is always ours to switch.
    const u64 wanted = host_cr4() | (vcpu.cr4 & (cr4::tsd | cr4::de | cr4::fsgsbase));
    if (read_cr4() != wanted)
        write_cr4(wanted);
}

void add_dirty_cpu(Domain& domain)
{
    const u64 mine = CpuMask::of(machine::this_cpu()).bits;
    if (!(domain.memory.dirty_cpus.bits & mine))
        atomic_or(&domain.memory.dirty_cpus.bits, mine);
}

void remove_dirty_cpu(Domain& domain)
{
    atomic_and(&domain.memory.dirty_cpus.bits, ~CpuMask::of(machine::this_cpu()).bits);
}

/// From entry.S: the registers that a handler may not see are not saved; the arguments are.
extern "C" void dispatch_hypercall(Vcpu* vcpu, GuestRegs* regs)
{
    const u64 number = static_cast<u32>(regs->rax);
    hypercall::Arguments args{{regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9}};
    cpu().hypercall = static_cast<u32>(number);
    const i64 result = hypercall::call(*vcpu, number, args);
    cpu().hypercall = ~0u;
    if (result != hypercall::preempted) {
        regs->rax = static_cast<u64>(result);
        return;
    }
    // Back onto the SYSCALL, with the arguments of what is left to do.
    constexpr u64 syscall_bytes = 2;
    regs->rip -= syscall_bytes;
    regs->rdi = args.a[0];
    regs->rsi = args.a[1];
    regs->rdx = args.a[2];
    regs->r10 = args.a[3];
    regs->r8 = args.a[4];
    regs->r9 = args.a[5];
}

}

namespace xylem::hypercall {

bool should_preempt()
{
    const arch::Cpu& c = arch::cpu();
    if (atomic_load(&c.work))
        return true;
    const abi::VcpuInfo& info = *c.current->info;
    return atomic_load(&info.evtchn_upcall_pending) && !info.evtchn_upcall_mask;
}

}

namespace xylem::machine {

Result<void> create_vcpu_state(Vcpu& vcpu)
{
    const Mfn fpu = TRY(mm::allocate_frame());
    vcpu.fpu = map(fpu);
    set_fpu_state(vcpu, nullptr);
    Result<u64*> window = mm::create_window(vcpu.domain->memory, vcpu.id.value, arch::shared_gdt_frame());
    if (!window.ok()) {
        mm::free_frame(fpu);
        vcpu.fpu = nullptr;
        return window.error();
    }
    vcpu.window = window.value();
    return {};
}

void destroy_vcpu_state(Vcpu& vcpu)
{
    if (vcpu.fpu)
        mm::free_frame(mfn_of_mapped(vcpu.fpu));
    // A later vCPU may come to lie at the same address: no processor may take it for this one.
    for (CpuId id{0}; id.value < cpu_count(); ++id)
        if (arch::cpu_data(id).fpu_owner == &vcpu)
            arch::cpu_data(id).fpu_owner = nullptr;
}

void load_ldt(Vcpu& current)
{
    if (current.ldt_entries == 0) {
        asm volatile("lldt %w0" ::"r"(0));
        return;
    }
    const u64 base = arch::window_of(current) + WINDOW_LDT, limit = current.ldt_entries * 8 - 1;
    const u16 selector = static_cast<u16>(arch::first_ldt_selector + this_cpu().value * 16);
    u64* descriptor = map<u64>(arch::shared_gdt_frame()) + (selector & 0xfff) / 8;
    descriptor[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | u64{0x82} << 40 | (limit >> 16 & 0xf) << 48 |
                    (base >> 24 & 0xff) << 56;
    descriptor[1] = base >> 32;
    asm volatile("lldt %w0" ::"r"(selector));
}

void load_debug_registers(Vcpu& current)
{
    const u64* dr = current.debug_registers;
    const u64 dr7 = processor_dr7(current);
    constexpr u64 enabled = 0xff;
    if (!(dr7 & enabled)) {
        asm volatile("mov %0, %%db7" ::"r"(u64{0x400}));
        return;
    }
    asm volatile("mov %0, %%db0" ::"r"(dr[0]));
    asm volatile("mov %0, %%db1" ::"r"(dr[1]));
    asm volatile("mov %0, %%db2" ::"r"(dr[2]));
    asm volatile("mov %0, %%db3" ::"r"(dr[3]));
    asm volatile("mov %0, %%db7" ::"r"(dr7));
}

u64 extended_state_mask()
{
    return arch::xsave_mask();
}

u32 extended_state_size()
{
    constexpr u32 xsave_leaf = 0xd;
    return arch::xsave_mask() ? arch::cpuid(xsave_leaf).b : 0;
}

Result<void> set_extended_state(Vcpu& vcpu, u64 xcr0, const u8* image)
{
    // What XRSTOR would fault on is refused: unknown components, a compacted image, reserved MXCSR bits.
    u64 header[8];
    memcpy(header, image + 512, sizeof header);
    u32 mxcsr;
    memcpy(&mxcsr, image + 24, sizeof mxcsr);
    constexpr u32 mxcsr_known = 0xffff;
    if (!is_consistent_xcr0(xcr0) || (xcr0 & ~extended_state_mask()) || (header[0] & ~xcr0) || (mxcsr & ~mxcsr_known))
        return Error::Invalid;
    for (unsigned i = 1; i < 8; ++i)
        if (header[i])
            return i == 1 ? Error::NotSupported : Error::Invalid;
    memcpy(vcpu.fpu, image, extended_state_size());
    vcpu.xcr0 = xcr0;
    vcpu.fpu_cpu = ~0u;
    return {};
}

u64 copy_from_guest_kernel(Vcpu& current, void* to, u64 address, u64 bytes)
{
    if (current.kernel_mode)
        return copy_from_guest(to, address, bytes);
    load_root(MachineAddress(current.kernel_root));
    const u64 left = copy_from_guest(to, address, bytes);
    load_root(MachineAddress(current.user_root));
    return left;
}

}
