// Power-off, reset, halt.

#include "hypervisor/arch/x86_64/power.hpp"

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/gate.hpp"
#include "hypervisor/arch/x86_64/io.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"

namespace xylem::arch {
namespace {

constexpr u16 sleep_enable = 1 << 13, sleep_bits = 0x3c00;

/// A while for the hardware to act, with no clock to trust.
void wait()
{
    for (unsigned i = 0; i < 100'000; ++i)
        in8(0x80);
}

void reset_by_acpi()
{
    const AcpiInfo& info = acpi();
    if (!info.has_reset)
        return;
    if (info.reset.space == 1)
        out8(static_cast<u16>(info.reset.address), info.reset_value);
    else if (info.reset.space == 0)
        device_write<u8>(map_device<volatile u8>(MachineAddress(info.reset.address), 1), info.reset_value);
    wait();
}

void reset_by_keyboard_controller()
{
    for (unsigned i = 0; i < 10'000 && in8(0x64) & 2; ++i)
        asm volatile("pause");
    out8(0x64, 0xfe);
    wait();
}

void reset_by_chipset()
{
    out8(0xcf9, 0x02);
    out8(0xcf9, 0x06);
    wait();
}

}

void enter_sleep(u16 pm1a_value, u16 pm1b_value)
{
    const AcpiInfo& info = acpi();
    const auto enter = [](u16 port, u16 value) {
        if (port)
            out16(port, static_cast<u16>((in16(port) & ~sleep_bits) | (value & sleep_bits) | sleep_enable));
    };
    enter(info.pm1a_control, pm1a_value);
    enter(info.pm1b_control, pm1b_value);
    wait();
}

void reset_machine()
{
    // In a panic there may be no memory for a new mapping: the ways by ports come first then.
    reset_by_chipset();
    reset_by_acpi();
    reset_by_keyboard_controller();
    const TablePointer nothing{0, 0};
    asm volatile("lidt %0\n int3" ::"m"(nothing));
    halt_forever();
}

}

namespace xylem::machine {

using namespace arch;

void acpi_power_off(u16 pm1a, u16 pm1b)
{
    enter_sleep(pm1a, pm1b);
}

void end_of_machine(PowerAction action)
{
    const bool stay = action == PowerAction::halt || (action == PowerAction::reboot_after_crash && options.no_reboot);
    if (!stay)
        reset_machine();
    log(LogLevel::info, "The machine is halted; it can be switched off.");
    halt_forever();
}

}
