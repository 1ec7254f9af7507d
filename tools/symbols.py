#!/usr/bin/env python3
"""Turns `nm -C` of the hypervisor into an assembly source with its table of function names.

The table is an array of 32-bit offsets from the image's start, ascending, and an equally long array of 32-bit offsets into
the names. hypervisor/arch/x86_64/symbols.cpp searches it.
"""
import sys

IMAGE = 0xFFFF828000000000


def functions(lines):
    found = {}
    for line in lines:
        address, kind, name = line.rstrip("\n").split(" ", 2) if line[0] != " " else (None, None, None)
        if kind in ("t", "T", "W", "w") and int(address, 16) >= IMAGE:
            # Only the function's own name: parameters and namespaces that are ours make lines long.
            short = name.replace("xylem::", "").replace("(anonymous namespace)::", "").split("(")[0]
            found.setdefault(int(address, 16) - IMAGE, short)
    return sorted(found.items())


def main():
    table = functions(sys.stdin)
    print('    .section .symbols, "a"')
    print("    .globl symbol_count, symbol_offsets, symbol_names, symbol_text")
    print("    .balign 8")
    print(f"symbol_count: .quad {len(table)}")
    print("symbol_offsets:")
    for offset, _ in table:
        print(f"    .long {offset}")
    print("symbol_names:")
    position = 0
    for _, name in table:
        print(f"    .long {position}")
        position += len(name) + 1
    print("symbol_text:")
    for _, name in table:
        print(f'    .asciz "{name}"')
    print('    .section .note.GNU-stack, "", @progbits')


main()
