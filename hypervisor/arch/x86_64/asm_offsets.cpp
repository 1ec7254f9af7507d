// The offsets that the assembly sources use, taken from the C++ structs. Compiled to assembly only; each line
// `OFFSET NAME VALUE` becomes a #define in asm_offsets.h (tools/mk/hypervisor.mk).

#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/arch/x86_64/cpu.hpp"

#include <stddef.h>

#define OFFSET(name, value) asm volatile("\n#OFFSET " #name " %c0\n" ::"i"(value))

namespace xylem::arch {

[[gnu::used]] void asm_offsets()
{
    OFFSET(CPU_SIZE, sizeof(Cpu));
    OFFSET(CPU_CURRENT, offsetof(Cpu, current));
    OFFSET(CPU_SCRATCH_RSP, offsetof(Cpu, scratch_rsp));
    OFFSET(CPU_WORK, offsetof(Cpu, work));
    OFFSET(CPU_LOADED_ROOT, offsetof(Cpu, loaded_root));

    OFFSET(VCPU_INFO, offsetof(Vcpu, info));
    OFFSET(VCPU_KERNEL_ROOT, offsetof(Vcpu, kernel_root));
    OFFSET(VCPU_USER_ROOT, offsetof(Vcpu, user_root));
    OFFSET(VCPU_BOUNCE_SP, offsetof(Vcpu, bounce_sp));
    OFFSET(VCPU_SYSCALL_CALLBACK, offsetof(Vcpu, syscall_callback));
    OFFSET(VCPU_KERNEL_MODE, offsetof(Vcpu, kernel_mode));
    OFFSET(VCPU_SYSCALL_MASKS_EVENTS, offsetof(Vcpu, syscall_masks_events));
    OFFSET(VCPU_EXIT_WORK, offsetof(Vcpu, exit_work));

    OFFSET(REGS_SIZE, sizeof(GuestRegs));
    OFFSET(REGS_RBX, offsetof(GuestRegs, rbx));
    OFFSET(REGS_RBP, offsetof(GuestRegs, rbp));
    OFFSET(REGS_R11, offsetof(GuestRegs, r11));
    OFFSET(REGS_RAX, offsetof(GuestRegs, rax));
    OFFSET(REGS_RCX, offsetof(GuestRegs, rcx));
    OFFSET(REGS_ERROR_CODE, offsetof(GuestRegs, error_code));
    OFFSET(REGS_VECTOR, offsetof(GuestRegs, vector));
    OFFSET(REGS_RIP, offsetof(GuestRegs, rip));
    OFFSET(REGS_CS, offsetof(GuestRegs, cs));
    OFFSET(REGS_RFLAGS, offsetof(GuestRegs, rflags));
    OFFSET(REGS_RSP, offsetof(GuestRegs, rsp));
    OFFSET(REGS_SS, offsetof(GuestRegs, ss));

    OFFSET(INFO_UPCALL_PENDING, offsetof(abi::VcpuInfo, evtchn_upcall_pending));
    OFFSET(INFO_UPCALL_MASK, offsetof(abi::VcpuInfo, evtchn_upcall_mask));
}

}
