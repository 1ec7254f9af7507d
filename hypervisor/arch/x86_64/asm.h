// What the assembly sources share: constants, the SMAP window, the exception table.
#pragma once

#include "asm_offsets.h"
#include "hypervisor/arch/x86_64/layout.hpp"

#define RFLAGS_CF 0x1
#define RFLAGS_FIXED 0x2
#define RFLAGS_TF 0x100
#define RFLAGS_IF 0x200
#define RFLAGS_DF 0x400
#define RFLAGS_IOPL 0x3000
#define RFLAGS_NT 0x4000
#define RFLAGS_RF 0x10000
#define RFLAGS_VM 0x20000
#define RFLAGS_AC 0x40000

// Opens and closes the window to user pages under SMAP. Three-byte no-ops until arch::open_smap_windows() writes stac and
// clac over them at boot, on a processor whose SMAP is on: their places are listed in .smap_windows.
.macro OPEN_USER
771:    .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_windows, "a"
    .quad 771b, 0xcb010f
    .popsection
.endm
.macro CLOSE_USER
772:    .byte 0x0f, 0x1f, 0x00
    .pushsection .smap_windows, "a"
    .quad 772b, 0xca010f
    .popsection
.endm

// A fault of the instruction at `where` continues at `fixup`.
.macro ON_FAULT where, fixup
    .pushsection .ex_table, "a"
    .quad \where, \fixup
    .popsection
.endm

.macro FUNCTION name
    .globl \name
    .type \name, @function
    .balign 16
\name:
.endm
