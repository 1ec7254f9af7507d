// The ways into the hypervisor and out of it.
//
// Where the guest's registers are: at the very top of the processor's stack, right below struct Cpu, as GuestRegs. The
// processor's TSS points there (traps), and the SYSCALL stub loads that address. So wherever the hypervisor is entered from a
// guest, RSP = &Cpu, and Cpu's members are found at fixed distances.
//
// Three paths are short, take no lock and run no C++, since a guest's every system call is made of them:
//   * SYSCALL in guest user mode: the guest kernel's frame is written on its stack, and its callback entered by SYSRET;
//   * the iret hypercall: the guest's frame is read from its stack and loaded;
//   * a hypercall's way in and out, around the handler.
// Each leaves for the general path (C++, prepare_exit) as soon as anything is unusual: work for this processor, an event to
// deliver, a missing callback, a bad stack, a fault on the guest's memory.
//
// Interrupts are off throughout. A guest's RFLAGS always has IF set and IOPL 0 while its code runs; its own idea of IF is the
// upcall mask in its vcpu_info.

#include "hypervisor/arch/x86_64/asm.h"

    .text

// ---- Saving and restoring ------------------------------------------------------------------------------------------

.macro PUSH_ALL
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    xor %ebp, %ebp
    cld
.endm

.macro POP_ALL
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
.endm

// ---- Traps ---------------------------------------------------------------------------------------------------------
//
// One stub a vector puts the error code (or 0) and the vector in one word; trap_entry lists their addresses for the IDT.

    .balign 16
vector_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector == 8 || vector == 10 || vector == 11 || vector == 12 || vector == 13 || vector == 14 || vector == 17 || vector == 21 || vector == 29 || vector == 30
    .else
    pushq $0
    .endif
    movl $vector, 4(%rsp)
    .if vector == 1
    jmp debug_exception
    .elseif vector == 2 || vector == 8 || vector == 18
    jmp exception_on_own_stack
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr

    .pushsection .rodata
    .balign 8
    .globl trap_entry
trap_entry:
    .set vector, 0
    .rept 256
    .quad vector_stubs + vector * 16
    .set vector, vector + 1
    .endr
    .popsection

    .balign 16
trap_common:
    CLOSE_USER
    PUSH_ALL
    testb $3, REGS_CS(%rsp)
    jz trap_from_hypervisor
    mov %rsp, %rdi
    call handle_guest_trap

// Leaves to the guest whose registers lie at the top of the stack, after all that is owed before that has been done.
    .globl exit_to_guest
exit_to_guest:
    mov %rsp, %rdi
    call prepare_exit
restore_and_iret:
    POP_ALL
    add $8, %rsp
    .globl guest_iret
guest_iret:
    iretq
    ON_FAULT guest_iret, guest_iret_fault

// A processor's first entry to a guest (or to idle): RSP is set to the place of GuestRegs, whatever was on the stack is gone.
FUNCTION enter_guest_first
    mov %rdi, %rsp
    jmp exit_to_guest

// The final IRET to a guest failed (a bad selector or address in what it asked for): the exception is the guest's, with that
// frame as the interrupted state. handle_hypervisor_trap has kept vector and error code; RSP is at the frame's RIP again, and
// every other register is the guest's.
guest_iret_fault:
    sub $8, %rsp
    PUSH_ALL
    mov %rsp, %rdi
    call handle_guest_iret_fault
    jmp exit_to_guest

trap_from_hypervisor:
    mov %rsp, %rdi
    call handle_hypervisor_trap
    POP_ALL
    add $8, %rsp
    iretq

// NMI, #DF, #MC have stacks of their own and return where they came from, with no exit work.
    .balign 16
exception_on_own_stack:
    CLOSE_USER
    PUSH_ALL
    mov %rsp, %rdi
    call handle_own_stack_exception
    POP_ALL
    add $8, %rsp
    iretq

// #DB too has a stack of its own, since MOV SS can hold it back until the first instruction of the SYSCALL stub, which still
// runs on the guest's stack pointer. From a guest it moves over to the main stack and is a trap like any other.
    .balign 16
debug_exception:
    testb $3, 16(%rsp)
    jz exception_on_own_stack
    push %rax
    mov %rsp, %rax
    or $(CPU_BLOCK_SIZE - 1), %rsp
    sub $(CPU_SIZE - 1), %rsp
    push 48(%rax)
    push 40(%rax)
    push 32(%rax)
    push 24(%rax)
    push 16(%rax)
    push 8(%rax)
    mov (%rax), %rax
    jmp trap_common

// ---- SYSCALL -------------------------------------------------------------------------------------------------------
//
// From the processor's stub: RSP = &Cpu, the guest's RSP in Cpu::scratch_rsp, RIP in RCX, RFLAGS in R11.

#define SYSCALL_VECTOR 0x100
#define SYSCALL32_VECTOR 0x101
#define SYSENTER_VECTOR 0x102

.macro PUSH_SYSCALL_FRAME code_selector, vector
    push $SELECTOR_GUEST_DATA
    push CPU_SCRATCH_RSP + 8(%rsp)
    push %r11
    push $\code_selector
    push %rcx
    push $0
    movl $\vector, 4(%rsp)
.endm

// Distance from RSP after PUSH_SYSCALL_FRAME to struct Cpu, and to the members of the frame.
#define FRAME_BYTES 48
#define FRAME_RIP 8
#define FRAME_CS 16
#define FRAME_RFLAGS 24
#define FRAME_RSP 32
#define FRAME_SS 40

FUNCTION syscall_entry
    PUSH_SYSCALL_FRAME SELECTOR_GUEST_CODE64, SYSCALL_VECTOR
    mov FRAME_BYTES + CPU_CURRENT(%rsp), %rcx
    cmpb $0, VCPU_KERNEL_MODE(%rcx)
    jne hypercall_entry

    // Guest user mode: enter the guest kernel's callback. RCX = vCPU; R11 is free (saved in the frame).
    mov VCPU_BOUNCE_SP(%rcx), %r11
    test %r11, %r11
    jz general_syscall
    cmpq $0, VCPU_SYSCALL_CALLBACK(%rcx)
    je general_syscall
    cmpb $0, VCPU_SYSCALL_MASKS_EVENTS(%rcx)
    je general_syscall
    cmpb $0, VCPU_EXIT_WORK(%rcx)
    jne general_syscall
    cmpl $0, FRAME_BYTES + CPU_WORK(%rsp)
    jne general_syscall
    push %rax
    mov VCPU_KERNEL_ROOT(%rcx), %rax
    mov %rax, %cr3
    mov %rax, 8 + FRAME_BYTES + CPU_LOADED_ROOT(%rsp)
    swapgs
    movb $1, VCPU_KERNEL_MODE(%rcx)

    // The frame on the guest kernel's stack, low to high: rcx, r11, rip, cs | mask << 32, rflags, rsp, ss. Any of the stores
    // may fault; the domain's end, then, since it has no stack.
    OPEN_USER
    mov 8 + FRAME_RIP(%rsp), %rax
1:  mov %rax, -56(%r11)
2:  mov %rax, -40(%r11)
    mov 8 + FRAME_RFLAGS(%rsp), %rax
3:  mov %rax, -48(%r11)
4:  mov %rax, -24(%r11)
    mov 8 + FRAME_RSP(%rsp), %rax
5:  mov %rax, -16(%r11)
6:  movq $SELECTOR_GUEST_DATA, -8(%r11)
7:  movq $SELECTOR_GUEST_CODE64, -32(%r11)
    mov VCPU_INFO(%rcx), %rax
    cmpb $0, INFO_UPCALL_MASK(%rax)
    jne 20f
10: movb $1, INFO_UPCALL_MASK(%rax)
    CLOSE_USER
    mov VCPU_SYSCALL_CALLBACK(%rcx), %rcx
    sub $56, %r11
    mov %r11, 8 + FRAME_RSP(%rsp)
    mov 8 + FRAME_RFLAGS(%rsp), %r11
    and $~(RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC), %r11d
    pop %rax
    mov FRAME_RSP(%rsp), %rsp
    sysretq

    // Events were masked in user mode: the frame says so (IF clear, the mask above CS).
20: movb $1, -28(%r11)
    andl $~RFLAGS_IF, -24(%r11)
    jmp 10b

    ON_FAULT 1b, bad_guest_stack
    ON_FAULT 2b, bad_guest_stack
    ON_FAULT 3b, bad_guest_stack
    ON_FAULT 4b, bad_guest_stack
    ON_FAULT 5b, bad_guest_stack
    ON_FAULT 6b, bad_guest_stack
    ON_FAULT 7b, bad_guest_stack

// What is missing or unusual is C++'s to find. RSP is at the frame; RCX and R11 are taken from it (they are the guest's RIP and
// RFLAGS, as after any SYSCALL).
general_syscall:
    mov FRAME_RIP(%rsp), %rcx
    mov FRAME_RFLAGS(%rsp), %r11
    PUSH_ALL
    mov %rsp, %rdi
    call handle_syscall
    jmp exit_to_guest

FUNCTION syscall32_entry
    PUSH_SYSCALL_FRAME SELECTOR_GUEST_CODE32, SYSCALL32_VECTOR
    jmp general_syscall

// SYSENTER keeps neither RIP nor RSP: the guest's convention knows them. RSP = &Cpu by the MSR.
FUNCTION sysenter_entry
    push $SELECTOR_GUEST_DATA
    push $0
    pushfq
    orl $RFLAGS_IF, (%rsp)
    push $3
    push $0
    push $0
    movl $SYSENTER_VECTOR, 4(%rsp)
    push $RFLAGS_FIXED
    popfq
    PUSH_ALL
    mov %rsp, %rdi
    call handle_syscall
    jmp exit_to_guest

// ---- Hypercalls ----------------------------------------------------------------------------------------------------
//
// Only the registers that C++ may change are saved on the way in. The others still hold the guest's values when the handler has
// returned, and are saved then if the general path is to see them.

    .balign 16
hypercall_entry:
    cmp $23, %eax
    je iret_hypercall
    push %rdi
    push %rsi
    push %rdx
    push 24 + FRAME_RIP(%rsp)
    push %rax
    push %r8
    push %r9
    push %r10
    push %r11
    sub $48, %rsp
    mov %rcx, %rdi
    mov %rsp, %rsi
    call dispatch_hypercall
    mov REGS_SIZE + CPU_CURRENT(%rsp), %rcx
    cmpl $0, REGS_SIZE + CPU_WORK(%rsp)
    jne hypercall_general_exit
    cmpb $0, VCPU_EXIT_WORK(%rcx)
    jne hypercall_general_exit
    mov VCPU_INFO(%rcx), %rax
    cmpb $0, INFO_UPCALL_PENDING(%rax)
    jne hypercall_event_pending
hypercall_fast_exit:
    add $48, %rsp
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    add $8, %rsp
    jmp guest_iret

hypercall_event_pending:
    cmpb $0, INFO_UPCALL_MASK(%rax)
    jne hypercall_fast_exit
hypercall_general_exit:
    mov %r15, 0(%rsp)
    mov %r14, 8(%rsp)
    mov %r13, 16(%rsp)
    mov %r12, 24(%rsp)
    mov %rbp, REGS_RBP(%rsp)
    mov %rbx, REGS_RBX(%rsp)
    jmp exit_to_guest

// iret: on the guest's stack, low to high: rax, r11, rcx, flags, rip, cs, rflags, rsp, ss. RCX = vCPU, R11 and RAX are free.
    .balign 16
iret_hypercall:
    mov FRAME_RSP(%rsp), %r11
    movabs $LAYOUT_END, %rax
    cmp %rax, %r11
    jb general_syscall_with_iret
    cmpl $0, FRAME_BYTES + CPU_WORK(%rsp)
    jne general_syscall_with_iret
    cmpb $0, VCPU_EXIT_WORK(%rcx)
    jne general_syscall_with_iret
    OPEN_USER
1:  testl $0x100, 24(%r11)
    jnz iret_general
2:  testl $RFLAGS_IF, 48(%r11)
    jz 10f
    mov VCPU_INFO(%rcx), %rax
    cmpb $0, INFO_UPCALL_PENDING(%rax)
    jne iret_general
10:
3:  mov 40(%r11), %eax // read once: another vCPU may be changing it
    mov %rax, FRAME_CS(%rsp)
    test $3, %al
    jz 11f
    cmpq $0, VCPU_USER_ROOT(%rcx)
    je iret_general
11: // Nothing stands in the way any more: load the frame.
4:  mov 32(%r11), %rax
    mov %rax, FRAME_RIP(%rsp)
5:  mov 56(%r11), %rax
    mov %rax, FRAME_RSP(%rsp)
6:  mov 64(%r11), %eax
    or $3, %eax
    movzwl %ax, %eax
    mov %rax, FRAME_SS(%rsp)
7:  mov 48(%r11), %eax
    and $~(RFLAGS_IOPL | RFLAGS_VM), %eax
    bts $9, %eax // IF: set in the processor, kept as the mask for the guest
    mov %rax, FRAME_RFLAGS(%rsp)
    setnc %al
    push %rbx
    mov VCPU_INFO(%rcx), %rbx
    mov %al, INFO_UPCALL_MASK(%rbx)
    pop %rbx
8:  push 16(%r11)
9:  push 8(%r11)
12: push 0(%r11)
    CLOSE_USER
    mov 24 + FRAME_CS(%rsp), %rax
    test $3, %al
    jz 14f
    movb $0, VCPU_KERNEL_MODE(%rcx)
    mov VCPU_USER_ROOT(%rcx), %r11
    mov %r11, %cr3
    mov %r11, 24 + FRAME_BYTES + CPU_LOADED_ROOT(%rsp)
    swapgs
14: or $3, %eax
    movzwl %ax, %eax
    mov %rax, 24 + FRAME_CS(%rsp)
    pop %rax
    pop %r11
    pop %rcx
    add $8, %rsp
    jmp guest_iret

    ON_FAULT 1b, bad_guest_stack
    ON_FAULT 2b, bad_guest_stack
    ON_FAULT 3b, bad_guest_stack
    ON_FAULT 4b, bad_guest_stack
    ON_FAULT 5b, bad_guest_stack
    ON_FAULT 6b, bad_guest_stack
    ON_FAULT 7b, bad_guest_stack
    ON_FAULT 8b, bad_guest_stack
    ON_FAULT 9b, bad_guest_stack
    ON_FAULT 12b, bad_guest_stack

iret_general:
    CLOSE_USER
general_syscall_with_iret:
    mov $23, %eax
    jmp general_syscall

// The guest's stack could not be written or read: the end of the domain. What is left of its registers is of no use.
    .balign 16
bad_guest_stack:
    CLOSE_USER
    or $(CPU_BLOCK_SIZE - 1), %rsp
    sub $(CPU_SIZE - 1), %rsp
    sub $REGS_SIZE, %rsp
    mov %rsp, %rdi
    call handle_bad_guest_stack
    jmp exit_to_guest

    .section .note.GNU-stack, "", @progbits
