// The first instruction of a small guest, its ELF notes, the hypercall page, and the ways in for traps and events.

    .section .text.start, "ax"
    .globl guest_start
guest_start:
    cld
    lea guest_stack_end(%rip), %rsp
    mov %rsi, %rdi
    xor %ebp, %ebp
    call guest_main
1:  jmp 1b

    .balign 4096
    .globl guest_hypercall_page
guest_hypercall_page:
    .skip 4096

    .bss
    .balign 4096
guest_stack:
    .skip 65536
guest_stack_end:
    .globl guest_trap_stack_end
guest_trap_stack:
    .skip 32768
guest_trap_stack_end:

    .text

// A frame of the hypervisor's lies at RSP: rcx, r11, [error code], rip, cs, rflags, rsp, ss. One stub a vector makes all frames
// alike (an error code of 0 where there is none), saves the registers and calls guest_trap(frame).

.macro TRAP_STUB vector, has_error
    .balign 32
    pop %rcx
    pop %r11
    .if \has_error == 0
    push $0
    .endif
    push $\vector
    jmp trap_common
.endm

    .balign 32
    .globl guest_trap_stubs
guest_trap_stubs:
    .set vector, 0
    .rept 256
    .if vector == 8 || vector == 10 || vector == 11 || vector == 12 || vector == 13 || vector == 14 || vector == 17 || vector == 21
    TRAP_STUB vector, 1
    .else
    TRAP_STUB vector, 0
    .endif
    .set vector, vector + 1
    .endr

trap_common:
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
    cld
    mov %rsp, %rdi
    mov %rsp, %rbp
    and $~15, %rsp
    call guest_trap
    mov %rbp, %rsp
    .globl guest_resume
guest_resume: // RSP = TrapFrame
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
    add $16, %rsp // vector, error code
    // The iret hypercall's frame: rax, r11, rcx, flags, and above them rip, cs, rflags, rsp, ss as they stand.
    push $0
    push %rcx
    push %r11
    push %rax
    mov $23, %eax
    syscall

    .balign 32
    .globl guest_event_entry
guest_event_entry:
    pop %rcx
    pop %r11
    push $0
    push $0x100
    jmp trap_common

    .balign 32
    .globl guest_syscall_entry
guest_syscall_entry:
    pop %rcx
    pop %r11
    push $0
    push $0x101
    jmp trap_common

    .balign 32
    .globl guest_failsafe_entry
guest_failsafe_entry:
    pop %rcx
    pop %r11
    add $32, %rsp // ds, es, fs, gs as they were wanted
    push $0
    push $0x102
    jmp trap_common

// ---- Tasks (tasks.cpp)

    .balign 32
    .globl guest_switch_stacks
guest_switch_stacks: // (u64** from, u64* to)
    push %rbp
    push %rbx
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rdi)
    mov %rsi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbx
    pop %rbp
    ret

    .globl guest_task_start
guest_task_start: // r12: the function, r13: its argument
    mov %r12, %rdi
    mov %r13, %rsi
    xor %ebp, %ebp
    call guest_run_task
    ud2

// ---- ELF notes (xen/include/public/elfnote.h)

.macro NOTE type, kind:vararg
    .pushsection .note.Xen, "a", @note
    .balign 4
    .long 4, 902f - 901f, \type
    .asciz "Xen"
901: \kind
902: .balign 4
    .popsection
.endm

    NOTE 1, .quad guest_start
    NOTE 2, .quad guest_hypercall_page
    NOTE 3, .quad guest_virtual_base
    NOTE 4, .quad 0
    NOTE 5, .asciz "xen-3.0"
    NOTE 6, .asciz "xylem-guest"
    NOTE 8, .asciz "generic"
    NOTE 9, .asciz "yes"
    NOTE 17, .long 0x800 // XENFEAT_dom0

    .section .note.GNU-stack, "", @progbits
