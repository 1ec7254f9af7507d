// The excursion to ring 3 of smap_test.cpp.

#include "hypervisor/arch/x86_64/asm.h"

    .text

// bool smap_probe(u64 user_code, u64 user_stack): goes to ring 3 at `user_code`. @return whether a fault came in place of #BP.
FUNCTION smap_probe
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, probe_rsp(%rip)
    push $SELECTOR_GUEST_DATA
    push %rsi
    push $RFLAGS_FIXED
    push $SELECTOR_GUEST_CODE64
    push %rdi
    iretq

FUNCTION smap_probe_breakpoint
    xor %eax, %eax
    jmp 1f
FUNCTION smap_probe_fault
    mov $1, %eax
1:  mov probe_rsp(%rip), %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .bss
    .balign 8
probe_rsp:
    .skip 8

    .section .note.GNU-stack, "", @progbits
