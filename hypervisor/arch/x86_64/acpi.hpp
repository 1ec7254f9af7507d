// What of the firmware's tables the hypervisor needs: processors and interrupt controllers (MADT), fixed hardware
// (FADT), HPET, PCI's memory-mapped configuration (MCFG).
#pragma once

#include "hypervisor/base/bits.hpp"
#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem::arch {

struct AcpiProcessor {
    u32 apic_id, acpi_id;
    bool enabled;
};

struct AcpiIoApic {
    u8 id;
    u64 address;
    u32 first_gsi;
};

/// How an ISA interrupt is wired, where not one to one.
struct AcpiOverride {
    u8 irq;
    u32 gsi;
    u16 flags; ///< bits 1:0 polarity (3: low), bits 3:2 trigger (3: level); 0: as the bus has it
};

struct AcpiConfigSpace {
    u64 address;
    u16 segment;
    u8 first_bus, last_bus;
};

/// An address of the FADT: space 0 is memory, 1 ports.
struct AcpiRegister {
    u8 space;
    u64 address;
};

struct AcpiInfo {
    AcpiProcessor processors[256];
    unsigned processor_count;
    AcpiIoApic io_apics[16];
    unsigned io_apic_count;
    AcpiOverride overrides[24];
    unsigned override_count;
    AcpiConfigSpace config_spaces[16];
    unsigned config_space_count;
    u64 hpet_address;
    bool has_fadt;
    u16 pm_timer_port;
    bool pm_timer_is_32_bits;
    u16 pm1a_control, pm1b_control;
    u16 sci;
    bool has_reset;
    AcpiRegister reset;
    u8 reset_value;
    u8 century_register; ///< of the RTC; 0: none

    std::span<const AcpiProcessor> all_processors() const { return {processors, processor_count}; }
    std::span<const AcpiIoApic> all_io_apics() const { return {io_apics, io_apic_count}; }
    std::span<const AcpiOverride> all_overrides() const { return {overrides, override_count}; }
};

/// Where a table can be read. Null if it cannot.
using MapTable = const u8* (*)(MachineAddress start, u64 bytes);

/// Reads the tables that the root pointer leads to. A table whose checksum is wrong is passed over.
/// @return false if the root pointer or the root table is bad
bool parse_acpi(std::span<const u8> rsdp, MapTable map, AcpiInfo& into);

const AcpiInfo& acpi();
/// Reads this machine's tables; without a MADT with a processor and an I/O APIC there is no way on.
void read_acpi();

}
