// FPU state: saved whenever a vCPU leaves a processor, restored when it comes to one where its state is not still
// loaded.
//
// The hypervisor itself uses no FPU register, so that a vCPU's state stays in place through any hypercall and through
// idle.

#include "hypervisor/arch/x86_64/entry.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/mm/heap.hpp"

#include <string.h>

namespace xylem::arch {
namespace {

constexpr u64 cr0_ts = 8;

u64 read_cr0()
{
    u64 value;
    asm volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}
void write_cr0(u64 value)
{
    asm volatile("mov %0, %%cr0" ::"r"(value));
}

void set_ts(bool on)
{
    const u64 cr0 = read_cr0();
    const u64 wanted = on ? cr0 | cr0_ts : cr0 & ~cr0_ts;
    if (wanted != cr0)
        write_cr0(wanted);
}

void xsetbv(u64 value)
{
    asm volatile("xsetbv" ::"c"(0), "a"(static_cast<u32>(value)), "d"(static_cast<u32>(value >> 32)));
}

}

void save_fpu(Vcpu& vcpu)
{
    set_ts(false);
    if (xsave_mask())
        asm volatile("xsave64 (%0)" ::"r"(vcpu.fpu), "a"(~0u), "d"(~0u) : "memory");
    else
        asm volatile("fxsave64 (%0)" ::"r"(vcpu.fpu) : "memory");
}

void restore_fpu(Vcpu& vcpu)
{
    Cpu& c = cpu();
    set_ts(false);
    if (c.fpu_owner != &vcpu || vcpu.fpu_cpu != c.index) {
        if (xsave_mask()) {
            // All components are loaded, so that none of another guest's stays behind; then the guest's own choice of
            // XCR0.
            xsetbv(xsave_mask());
            asm volatile("xrstor64 (%0)" ::"r"(vcpu.fpu), "a"(~0u), "d"(~0u) : "memory");
            xsetbv(vcpu.xcr0);
        } else {
            asm volatile("fxrstor64 (%0)" ::"r"(vcpu.fpu) : "memory");
        }
        c.fpu_owner = &vcpu;
        vcpu.fpu_cpu = c.index;
    }
    set_ts(vcpu.ts_virtual);
}

void set_guest_xcr0(Vcpu& vcpu, u64 value)
{
    vcpu.xcr0 = value;
    xsetbv(value);
}

}

namespace xylem::machine {

void set_task_switched(Vcpu& current, bool on)
{
    current.ts_virtual = on;
    arch::set_ts(on);
}

void set_fpu_state(Vcpu& vcpu, const void* fxsave)
{
    u8* image = static_cast<u8*>(vcpu.fpu);
    memset(image, 0, page_size);
    const u16 control_word = 0x37f;
    const u32 mxcsr = 0x1f80;
    memcpy(image, &control_word, sizeof control_word);
    memcpy(image + 24, &mxcsr, sizeof mxcsr);
    if (fxsave)
        memcpy(image, fxsave, 512);
    u32 loaded_mxcsr;
    memcpy(&loaded_mxcsr, image + 24, sizeof loaded_mxcsr);
    loaded_mxcsr &= 0xffbf; // a reserved bit would make the restore fault
    memcpy(image + 24, &loaded_mxcsr, sizeof loaded_mxcsr);
    const u64 components = fxsave ? 3 : 0; // XSTATE_BV: what is not named loads as its reset state
    memset(image + 464, 0, 48);
    memcpy(image + 512, &components, sizeof components);
    vcpu.fpu_cpu = ~0u;
}

void get_fpu_state(Vcpu& vcpu, void* fxsave)
{
    memcpy(fxsave, vcpu.fpu, 512);
}

}
