// Two pages that ring 3 may use: an IRET and a breakpoint on the one, that IRET's frame on the other. With SMAP on, a
// sound processor arrives at the breakpoint.

#include "hypervisor/arch/x86_64/smap_test.hpp"

#include "hypervisor/abi/x86_64/pte.hpp"
#include "hypervisor/arch/x86_64/gate.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/mm/heap.hpp"

#include <string.h>

extern "C" {
bool smap_probe(xylem::u64 user_code, xylem::u64 user_stack);
void smap_probe_breakpoint();
void smap_probe_fault();
}

namespace xylem::arch {
namespace {

constexpr u64 code_address = 0x400000, stack_address = 0x401000;
constexpr u8 program[] = {0x48, 0xcf, 0xcc}; // iretq; int3

struct IretFrame {
    u64 rip, cs, rflags, rsp, ss;
};

/// Runs the probe with a table of its own, where only #BP and faults lead anywhere.
bool probe_with_own_table()
{
    Gate gates[15] = {};
    const u64 fault = reinterpret_cast<u64>(smap_probe_fault);
    gates[3] = interrupt_gate(reinterpret_cast<u64>(smap_probe_breakpoint), 0, RaisedBy::guest_too);
    for (unsigned vector : {8U, 13U, 14U})
        gates[vector] = interrupt_gate(fault, 0, RaisedBy::processor);
    TablePointer usual;
    asm volatile("sidt %0" : "=m"(usual));
    const TablePointer ours{sizeof gates - 1, reinterpret_cast<u64>(gates)};
    asm volatile("lidt %0" ::"m"(ours), "m"(gates));
    write_cr4(read_cr4() | cr4::smap);
    const bool faulted = smap_probe(code_address, stack_address);
    write_cr4(read_cr4() & ~cr4::smap);
    asm volatile("lidt %0" ::"m"(usual));
    return faulted;
}

}

bool smap_breaks_user_iret()
{
    const Mfn code = mm::allocate_frame().take(), stack = mm::allocate_frame().take();
    memcpy(machine::map(code), program, sizeof program);
    *machine::map<IretFrame>(stack) = {code_address + 2, SELECTOR_GUEST_CODE64, 2, stack_address + page_size,
                                       SELECTOR_GUEST_DATA};
    map_page(code_address, code, abi::pte::user);
    map_page(stack_address, stack, abi::pte::user | abi::pte::writable | abi::pte::no_execute);
    const bool broken = probe_with_own_table();
    unmap_lower_half();
    mm::free_frame(code);
    mm::free_frame(stack);
    return broken;
}

}
