// Registers are reached through an index and a data window; entry n is the pair of words 0x10 + 2n. The low words are
// kept here, so that masking needs one write.

#include "hypervisor/arch/x86_64/io_apic.hpp"

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/io.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/core/log.hpp"

namespace xylem::arch {
namespace {

constexpr u32 version_index = 1, first_entry_index = 0x10;
constexpr unsigned most_pins = 240;

struct IoApic {
    volatile u8* registers;
    u64 address;
    u32 first_gsi, pins;
};

IoApic controllers[16];
unsigned controller_count = 0;
unsigned gsi_end = 0;
u32 low_words[512];

u32 read(const IoApic& which, u32 index)
{
    device_write<u32>(which.registers, index);
    return device_read<u32>(which.registers + 0x10);
}

void write(const IoApic& which, u32 index, u32 value)
{
    device_write<u32>(which.registers, index);
    device_write<u32>(which.registers + 0x10, value);
}

const IoApic* controller_of(u32 gsi)
{
    for (unsigned i = 0; i < controller_count; ++i)
        if (gsi >= controllers[i].first_gsi && gsi - controllers[i].first_gsi < controllers[i].pins)
            return &controllers[i];
    return nullptr;
}

const IoApic* controller_at(u64 base)
{
    for (unsigned i = 0; i < controller_count; ++i)
        if (controllers[i].address == base)
            return &controllers[i];
    return nullptr;
}

void write_low(u32 gsi, u32 low)
{
    low_words[gsi] = low;
    if (const IoApic* controller = controller_of(gsi))
        write(*controller, first_entry_index + 2 * (gsi - controller->first_gsi), low);
}

}

void initialise_io_apics()
{
    for (const AcpiIoApic& found : acpi().all_io_apics()) {
        IoApic& controller = controllers[controller_count++];
        controller = {map_device<volatile u8>(MachineAddress(found.address), 0x20), found.address, found.first_gsi, 0};
        const u32 pins = (read(controller, version_index) >> 16 & 0xff) + 1;
        if (pins > most_pins || found.first_gsi + pins > sizeof low_words / sizeof low_words[0]) {
            log(LogLevel::warning, "The I/O APIC at {:x} is left alone: {} pins from GSI {} on", found.address, pins,
                found.first_gsi);
            --controller_count;
            continue;
        }
        controller.pins = pins;
        if (gsi_end < found.first_gsi + pins)
            gsi_end = found.first_gsi + pins;
        for (u32 pin = 0; pin < pins; ++pin)
            write_redirection(found.first_gsi + pin, redirection::masked, 0);
    }
}

unsigned io_apic_pins()
{
    return gsi_end;
}

void write_redirection(u32 gsi, u32 low, u32 destination)
{
    const IoApic* controller = controller_of(gsi);
    if (!controller)
        return;
    write_low(gsi, low | redirection::masked); // never half an entry that is open
    write(*controller, first_entry_index + 2 * (gsi - controller->first_gsi) + 1, destination << 24);
    if (!(low & redirection::masked))
        write_low(gsi, low);
}

void mask_redirection(u32 gsi, bool masked)
{
    write_low(gsi, masked ? low_words[gsi] | redirection::masked : low_words[gsi] & ~redirection::masked);
}

bool io_apic_read(u64 base, u32 index, u32& value)
{
    const IoApic* controller = controller_at(base);
    if (controller)
        value = read(*controller, index & 0xff);
    return controller != nullptr;
}

bool io_apic_gsi(u64 base, u32 index, u32& gsi)
{
    const IoApic* controller = controller_at(base);
    if (!controller || index < first_entry_index || (index - first_entry_index) / 2 >= controller->pins)
        return false;
    gsi = controller->first_gsi + (index - first_entry_index) / 2;
    return true;
}

}
