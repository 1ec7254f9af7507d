// The memory functions that the compiler may call. Copies by `rep movs`: fast on every processor that has ERMS, and short.

    .text
    .globl memcpy, memmove, memset, memcmp

    .balign 16
memcpy:
    mov %rdi, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep movsq
    mov %edx, %ecx
    and $7, %ecx
    rep movsb
    ret

    .balign 16
memmove:
    mov %rdi, %rax
    sub %rsi, %rax
    cmp %rdx, %rax // destination within the source: from the end
    jae memcpy
    mov %rdi, %rax
    lea -1(%rdi, %rdx), %rdi
    lea -1(%rsi, %rdx), %rsi
    mov %rdx, %rcx
    std
    rep movsb
    cld
    ret

    .balign 16
memset:
    mov %rdi, %r8
    movzbl %sil, %eax
    mov $0x0101010101010101, %rcx
    imul %rcx, %rax
    mov %rdx, %rcx
    shr $3, %rcx
    rep stosq
    mov %edx, %ecx
    and $7, %ecx
    rep stosb
    mov %r8, %rax
    ret

    .balign 16
memcmp:
    xor %eax, %eax
    test %rdx, %rdx
    jz 2f
1:  movzbl (%rdi), %eax
    movzbl (%rsi), %ecx
    sub %ecx, %eax
    jnz 2f
    inc %rdi
    inc %rsi
    dec %rdx
    jnz 1b
2:  ret

    .section .note.GNU-stack, "", @progbits
