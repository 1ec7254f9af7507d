// Copies between the hypervisor and a guest's memory, through the guest's own page tables: an address that is not mapped ends
// the copy, with the count of bytes left as the result. Callers have checked the range against the hypervisor's hole.

#include "hypervisor/arch/x86_64/asm.h"

    .text

// u64 user_copy(void* to, const void* from, u64 bytes): words, then the rest.
FUNCTION user_copy
    OPEN_USER
    mov %rdx, %rcx
    shr $3, %rcx
    and $7, %edx
1:  rep movsq
    mov %rdx, %rcx
2:  rep movsb
3:  CLOSE_USER
    mov %rcx, %rax
    ret
4:  lea (%rdx, %rcx, 8), %rcx
    jmp 3b
    ON_FAULT 1b, 4b
    ON_FAULT 2b, 3b

    .section .note.GNU-stack, "", @progbits
