// From the boot loader's 32-bit protected mode to C++ at the image's virtual address.
//
// Two headers: Multiboot2 for GRUB; Multiboot1, with its address fields, for loaders that take no 64-bit ELF (qemu -kernel).
// The image lies at 2 MiB; nothing needs relocation. Early page tables map the first 4 GiB one to one and as the direct map's
// beginning, and the image where it is linked, all with every permission: C++ builds the real ones (paging.cpp). The one-to-one
// part serves the processors started later as well (trampoline.S).

#include "hypervisor/arch/x86_64/layout.hpp"

#define PHYSICAL(symbol) (symbol - LAYOUT_IMAGE + 0x200000)

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x00010003 // modules on page boundaries, memory information, address fields
#define MB2_MAGIC 0xe85250d6

// Room at the top of the boot block for struct Cpu and a GuestRegs (processor.cpp asserts that they fit).
#define BOOT_BLOCK_RESERVED 1024

#define PAGE_TABLE 0x003  // present, writable
#define PAGE_2M 0x083     // present, writable, page size

    .section .multiboot, "a"
    .balign 8
mb1_header:
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
    .long PHYSICAL(mb1_header)
    .long PHYSICAL(text_start)
    .long load_end
    .long load_bss_end
    .long PHYSICAL(boot_entry)

    .balign 8
mb2_header:
    .long MB2_MAGIC, 0, mb2_header_end - mb2_header, -(MB2_MAGIC + (mb2_header_end - mb2_header))
    .balign 8
    .short 1, 0 // information that we cannot do without: the memory map
    .long 12, 6
    .balign 8
    .short 6, 0 // modules on page boundaries
    .long 8
    .balign 8
    .short 0, 0
    .long 8
mb2_header_end:

    .section .boot.text, "ax"
    .code32
    .globl boot_entry
boot_entry:
    cli
    cld
    mov $PHYSICAL(boot_block_end) - BOOT_BLOCK_RESERVED, %esp
    mov %eax, %ebp // the loader's magic
    mov %ebx, %esi // its information

    mov $PHYSICAL(bss_start), %edi
    mov $PHYSICAL(bss_end), %ecx
    sub %edi, %ecx
    shr $2, %ecx
    xor %eax, %eax
    rep stosl

    mov $0x80000000, %eax
    cpuid
    cmp $0x80000001, %eax
    jb no_long_mode
    mov $0x80000001, %eax
    cpuid
    bt $29, %edx
    jnc no_long_mode
    bt $20, %edx
    jnc no_long_mode

    // 4 GiB of 2 MiB pages.
    mov $PHYSICAL(early_l2), %edi
    mov $PAGE_2M, %eax
    mov $2048, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    mov $PHYSICAL(early_l2) + PAGE_TABLE, %eax
    mov %eax, PHYSICAL(early_l3)
    add $4096, %eax
    mov %eax, PHYSICAL(early_l3) + 8
    add $4096, %eax
    mov %eax, PHYSICAL(early_l3) + 16
    add $4096, %eax
    mov %eax, PHYSICAL(early_l3) + 24
    // 16 MiB of image.
    mov $PHYSICAL(early_image_l2), %edi
    mov $0x200000 + PAGE_2M, %eax
    mov $8, %ecx
1:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 1b
    movl $PHYSICAL(early_image_l2) + PAGE_TABLE, PHYSICAL(early_image_l3)
    movl $PHYSICAL(early_l3) + PAGE_TABLE, PHYSICAL(early_root)
    movl $PHYSICAL(early_l3) + PAGE_TABLE, PHYSICAL(early_root) + ((LAYOUT_DIRECT_MAP >> 39) & 511) * 8
    movl $PHYSICAL(early_image_l3) + PAGE_TABLE, PHYSICAL(early_root) + ((LAYOUT_IMAGE >> 39) & 511) * 8

    // Long mode, with no-execute and write protection.
    mov $0x20, %eax
    mov %eax, %cr4
    mov $PHYSICAL(early_root), %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx
    rdmsr
    or $0x900, %eax
    wrmsr
    mov $0x80010031, %eax // PG, WP, NE, ET, PE
    mov %eax, %cr0
    lgdt PHYSICAL(early_gdt_pointer)
    ljmp $8, $PHYSICAL(boot_entry_64)

// The processor is too old: say so where it may be seen, on VGA text and COM1.
no_long_mode:
    mov $PHYSICAL(no_long_mode_text), %esi
    mov $0xb8000, %edi
1:  lodsb
    test %al, %al
    jz 3f
    mov $0x0f, %ah
    stosw
    mov $0x3fd, %dx
    mov %al, %bl
2:  in (%dx), %al
    test $0x20, %al
    jz 2b
    mov %bl, %al
    mov $0x3f8, %dx
    out %al, (%dx)
    jmp 1b
3:  hlt
    jmp 3b
no_long_mode_text:
    .asciz "Xylem: this processor has no 64-bit mode with no-execute pages; a 64-bit processor is needed.\r\n"

    .code64
boot_entry_64:
    movabs $1f, %rax
    jmp *%rax
1:  xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    lea boot_block_end - BOOT_BLOCK_RESERVED(%rip), %rsp
    mov %ebp, %edi
    mov %esi, %esi
    xor %ebp, %ebp
    call hypervisor_main
1:  hlt
    jmp 1b

    .balign 8
early_gdt:
    .quad 0
    .quad 0x00af9b000000ffff // 64-bit code
    .quad 0x00cf93000000ffff // data
    .globl early_gdt_pointer
early_gdt_pointer:
    .short 23
    .long PHYSICAL(early_gdt)

    .section .bss
    .balign 4096
    .globl early_root
early_root:
    .skip 4096
early_l3:
    .skip 4096
early_l2:
    .skip 4 * 4096
early_image_l3:
    .skip 4096
early_image_l2:
    .skip 4096

// The first processor's block until it has its own: a stack with struct Cpu at its top. The linker script aligns it to its size.
    .section .boot_block, "aw", @nobits
boot_block:
    .skip CPU_BLOCK_SIZE
boot_block_end:

    .section .note.GNU-stack, "", @progbits
