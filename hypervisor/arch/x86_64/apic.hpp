// The local APIC: one interface over its two register files, memory (xAPIC) and MSRs (x2APIC).
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// Registers by their number: the xAPIC's offset divided by 16, as the x2APIC's MSRs count them from 0x800.
enum class ApicRegister : u32 {
    id = 0x02,
    version = 0x03,
    task_priority = 0x08,
    eoi = 0x0b,
    spurious = 0x0f,
    in_service = 0x10, // 8 of them
    request = 0x20,    // 8 of them
    error_status = 0x28,
    command = 0x30,
    command_high = 0x31, // xAPIC only
    timer = 0x32,
    thermal = 0x33,
    performance = 0x34,
    lint0 = 0x35,
    lint1 = 0x36,
    error = 0x37,
    initial_count = 0x38,
    current_count = 0x39,
    divide = 0x3e,
};

/// How registers are reached.
struct ApicAccess {
    u32 (*read)(ApicRegister which);
    void (*write)(ApicRegister which, u32 value);
    void (*command)(u32 destination, u32 low); ///< the interrupt command register, whole; waits until it was taken
    u32 id_shift;                              ///< of the id register: 24 (xAPIC) or 0
};

/// How this machine's local APICs are reached; set by choose_apic_access().
extern const ApicAccess* apic_access;
extern const ApicAccess xapic_access, x2apic_access;

/// Where the xAPIC's page is mapped.
extern volatile u8* xapic_registers;
/// The MSRs of the x2APIC. Tests bring their own.
u64 apic_msr_read(u32 msr);
void apic_msr_write(u32 msr, u64 value);

/// Takes x2APIC mode if the firmware left it on or the processor has it, else maps the xAPIC's page.
void choose_apic_access();
/// Brings this processor's local APIC up: enabled, everything masked, spurious vector set. Notes Cpu::apic_id.
void initialise_local_apic();

inline void apic_eoi()
{
    apic_access->write(ApicRegister::eoi, 0);
}
void send_ipi(u32 apic_id, u8 vector);
void send_nmi_to_others();
void send_init(u32 apic_id);
void send_startup(u32 apic_id, u8 page);
u32 local_apic_id();

}
