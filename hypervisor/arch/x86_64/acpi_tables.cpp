// This machine's ACPI tables.

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"

namespace xylem::arch {

static AcpiInfo the_info;

const AcpiInfo& acpi()
{
    return the_info;
}

void read_acpi()
{
    const BootInfo& info = boot_info();
    const auto map = [](MachineAddress start, u64 bytes) {
        return static_cast<const u8*>(map_table_bytes(start, bytes));
    };
    if (!parse_acpi({info.rsdp, info.rsdp_bytes}, map, the_info))
        refuse_to_boot(
            "no usable ACPI tables were found: Xylem learns of processors and interrupt controllers from them");
    if (the_info.processor_count == 0 || the_info.io_apic_count == 0)
        refuse_to_boot(
            "the ACPI tables name no local APIC or no I/O APIC (MADT): Xylem needs both; enable them in the firmware's "
            "setup");
    log(LogLevel::info,
        "ACPI: {} processors, {} I/O APICs, PM timer at port {:x}, HPET at {:x}, {} PCI configuration spaces",
        the_info.processor_count, the_info.io_apic_count, the_info.pm_timer_port, the_info.hpet_address,
        the_info.config_space_count);
}

}
