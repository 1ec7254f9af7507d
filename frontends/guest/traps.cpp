// Exceptions: the trap table, the handlers of the program, and instructions that may fault.

#include "frontends/guest/guest.hpp"
#include "frontends/guest/internal.hpp"
#include "frontends/guest/vcpus.hpp"

extern "C" char guest_trap_stubs[], guest_event_entry[], guest_syscall_entry[], guest_failsafe_entry[];
extern "C" char guest_trap_stack_end[];

struct Fixup {
    xylem::u64 fault, target;
};
extern "C" const Fixup guest_fixups_start[], guest_fixups_end[];

namespace xylem::guest {
namespace {

constexpr u64 stub_bytes = 32, vectors = 0x103, vector_page_fault = 14;

TrapHandler handlers[vectors];
Fault last_fault;

u64 fault_address()
{
    return current_vcpu_info().arch.cr2;
}

/// An instruction of a TRY_INSTRUCTION goes on behind itself.
bool fix_up(TrapFrame& frame)
{
    for (const Fixup* fixup = guest_fixups_start; fixup < guest_fixups_end; ++fixup) {
        if (fixup->fault != frame.rip)
            continue;
        last_fault = {true, frame.vector, frame.error_code, frame.vector == vector_page_fault ? fault_address() : 0};
        frame.rip = fixup->target;
        return true;
    }
    return false;
}

void report(const TrapFrame& frame)
{
    print("Unexpected exception {} (error {:x}) at rip {:x}, rsp {:x}, rflags {:x}, address {:x}\n", frame.vector,
          frame.error_code, frame.rip, frame.rsp, frame.rflags, fault_address());
    print("Test result: CRASH\n");
}

}

void set_trap_handler(u64 vector, TrapHandler handler)
{
    handlers[vector] = handler;
}

Fault take_fault()
{
    const Fault fault = last_fault;
    last_fault = {};
    return fault;
}

Fault try_read(const volatile void* address, u64& value)
{
    value = 0;
    return TRY_INSTRUCTION("mov %1, %0", : "+r"(value) : "m"(*static_cast<const volatile u64*>(address)));
}

Fault try_write(volatile void* address, u64 value)
{
    return TRY_INSTRUCTION("mov %1, %0", : "=m"(*static_cast<volatile u64*>(address)) : "r"(value));
}

extern "C" void guest_trap(TrapFrame* frame)
{
    if (frame->vector < vectors && handlers[frame->vector] && handlers[frame->vector](*frame))
        return;
    if (frame->vector == vector_event) {
        current_vcpu_info().evtchn_upcall_pending = 0; // who waits for events looks at their bits (events.hpp)
        return;
    }
    if (fix_up(*frame))
        return;
    report(*frame);
    shut_down(is_dom0() ? abi::ShutdownReason::reboot : abi::ShutdownReason::crash);
}

void fill_trap_table(abi::TrapInfo* table)
{
    for (unsigned vector = 0; vector < 256; ++vector) {
        const u8 privilege = vector == 3 || vector == 4 || vector >= 0x80 ? 3 : 0;
        table[vector] = {static_cast<u8>(vector), static_cast<u8>(privilege | abi::trap_mask_events),
                         abi::flat_ring3_cs64, reinterpret_cast<u64>(guest_trap_stubs) + vector * stub_bytes};
    }
}

void initialise_traps()
{
    static abi::TrapInfo table[257];
    fill_trap_table(table);
    hypercall(abi::HypercallNumber::set_trap_table, reinterpret_cast<u64>(table));
    hypercall(abi::HypercallNumber::set_callbacks, reinterpret_cast<u64>(guest_event_entry),
              reinterpret_cast<u64>(guest_failsafe_entry), reinterpret_cast<u64>(guest_syscall_entry));
    hypercall(abi::HypercallNumber::stack_switch, abi::flat_ring3_ss64, reinterpret_cast<u64>(guest_trap_stack_end));
}

}
