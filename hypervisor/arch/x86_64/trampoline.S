// Where a processor starts: copied to a page below 1 MiB, in real mode, with CS at that page. From here by the early page tables
// (boot.S) to the image, then to the hypervisor's own root and the processor's own stack, which smp.cpp has left in
// trampoline_root, _stack and _entry.

#include "hypervisor/arch/x86_64/smp_layout.hpp"

#define LOW(symbol) (symbol - trampoline_start + TRAMPOLINE_ADDRESS)
#define PHYSICAL(symbol) (symbol - LAYOUT_IMAGE + 0x200000)

    .section .rodata.trampoline, "a"
    .balign 16
    .globl trampoline_start, trampoline_end
    .code16
trampoline_start:
    cli
    cld
    xor %ax, %ax
    mov %ax, %ds
    lgdtl LOW(low_gdt_pointer)
    mov $0x11, %eax
    mov %eax, %cr0
    ljmpl $0x18, $LOW(1f)

    .code32
1:  mov $0x10, %ax
    mov %ax, %ds
    mov %ax, %ss
    mov $0x20, %eax
    mov %eax, %cr4
    mov $PHYSICAL(early_root), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax
    wrmsr
    mov $0x80010031, %eax
    mov %eax, %cr0
    ljmp $8, $LOW(2f)

    .code64
2:  movabs $trampoline_arrival, %rax
    jmp *%rax

    .balign 8
low_gdt:
    .quad 0
    .quad 0x00af9b000000ffff // 64-bit code
    .quad 0x00cf93000000ffff // data
    .quad 0x00cf9b000000ffff // 32-bit code
low_gdt_pointer:
    .short 31
    .long LOW(low_gdt)
trampoline_end:

    .text
trampoline_arrival:
    mov trampoline_root(%rip), %rax
    mov %rax, %cr3
    mov trampoline_stack(%rip), %rsp
    xor %ebp, %ebp
    call *trampoline_entry(%rip)
    ud2

    .section .note.GNU-stack, "", @progbits
