// The hypervisor's part of every address space: slots 256 to 271 of each page-table root.
//
// Guests see only the first slot (the M2P, read-only); the others are supervisor pages. Constants are plain numbers,
// since boot.S and the linker script use them too (docs/memory-layout.md draws the picture).
#pragma once

// slot 256  0xffff800000000000  M2P, read-only to guests (present in kernel roots)
// slot 257  0xffff808000000000  M2P, our writable view of the same frames
// slot 258  0xffff810000000000  frame table
// slot 259  0xffff818000000000  mapped devices (APIC, I/O APIC, HPET, MCFG, ACPI tables), per-processor blocks
// slot 260  0xffff820000000000  per domain: the GDT and LDT windows of its vCPUs
// slot 261  0xffff828000000000  the hypervisor's image
// slots 262-271 0xffff830000000000  direct map of RAM (5 TiB)
#define LAYOUT_M2P_GUEST 0xffff800000000000
#define LAYOUT_M2P 0xffff808000000000
#define LAYOUT_FRAME_TABLE 0xffff810000000000
#define LAYOUT_DEVICES 0xffff818000000000
#define LAYOUT_CPU_BLOCKS 0xffff81c000000000
#define LAYOUT_PER_DOMAIN 0xffff820000000000
#define LAYOUT_IMAGE 0xffff828000000000
#define LAYOUT_DIRECT_MAP 0xffff830000000000
#define LAYOUT_END 0xffff880000000000

// A processor's block: 32 KiB, at LAYOUT_CPU_BLOCKS + cpu * 64 KiB (the other half is left unmapped: a guard).
//   page 0 NMI stack, 1 #DF stack, 2 #MC stack, 3 the SYSCALL stub (read and execute: a guard for the main stack),
//   pages 4-7 main stack; at its very top struct Cpu, and right below it the running guest's registers.
#define CPU_BLOCK_SIZE 0x8000
#define CPU_BLOCK_STRIDE 0x10000
#define CPU_BLOCK_STUB 0x3000

// Selectors. The guest-visible ones are ABI (xen/include/public/arch-x86/xen-x86_64.h); all of 0xe000.. lies in one
// page which is the same for every processor, and mapped as page 14 of every vCPU's GDT window.
#define SELECTOR_CODE 0xe008
#define SELECTOR_DATA 0xe010
#define SELECTOR_GUEST_CODE32 0xe023
#define SELECTOR_GUEST_DATA 0xe02b
#define SELECTOR_GUEST_CODE64 0xe033
#define SELECTOR_TSS 0xe040
#define GUEST_GDT_PAGES 14

// The windows of a vCPU: 16 pages of GDT, then 16 of LDT.
#define WINDOW_STRIDE 0x20000
#define WINDOW_LDT 0x10000
