// System time is the TSC since boot, scaled to nanoseconds. The timer interrupt is the local APIC's one-shot counter.
//
// Both are measured once against a clock of known rate: HPET, ACPI's PM timer, or channel 2 of the PIT. A measurement
// reads the TSC right before and after the reference clock, and keeps of several tries the one where these lie closest.

#include "hypervisor/arch/x86_64/time.hpp"

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/io.hpp"
#include "hypervisor/arch/x86_64/irq.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/arch/x86_64/processor.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/core/machine.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"

namespace xylem::arch {
namespace {

constexpr u64 nanoseconds_per_second = 1'000'000'000;
constexpr u64 measured_nanoseconds = 20'000'000;

// ---- Reference clocks

/// A counter of known rate that runs up and wraps at `mask`.
struct ReferenceClock {
    const char* name;
    u64 (*read)();
    u64 mask;
    u64 hertz;
};

const volatile u8* hpet = nullptr;
constexpr u64 pm_timer_hertz = 3'579'545, pit_hertz = 1'193'182;
constexpr u16 pit_data = 0x42, pit_command = 0x43, pit_gate = 0x61;

u64 read_hpet()
{
    return device_read<u32>(hpet + 0xf0);
}
u64 read_pm_timer()
{
    return in32(acpi().pm_timer_port);
}
u64 read_pit()
{
    out8(pit_command, 0x80); // latch channel 2
    const u8 low = in8(pit_data);
    return 0xffffU - (low | in8(pit_data) << 8); // it counts down
}

bool find_hpet(ReferenceClock& clock)
{
    if (!acpi().hpet_address)
        return false;
    volatile u8* registers = map_device<volatile u8>(MachineAddress(acpi().hpet_address), page_size);
    constexpr u64 femtoseconds_per_second = 1'000'000'000'000'000, longest_period = 100'000'000;
    const u32 period = device_read<u32>(registers + 4);
    if (period == 0 || period > longest_period)
        return false;
    device_write<u32>(registers + 0x10, device_read<u32>(registers + 0x10) | 1); // let it count
    hpet = registers;
    clock = {"HPET", read_hpet, 0xffffffff, femtoseconds_per_second / period};
    return true;
}

ReferenceClock choose_reference_clock()
{
    ReferenceClock clock{};
    if (find_hpet(clock))
        return clock;
    if (acpi().pm_timer_port)
        return {"PM timer", read_pm_timer, 0xffffff, pm_timer_hertz};
    out8(pit_gate, static_cast<u8>((in8(pit_gate) & 0xfc) | 1)); // gate on, speaker off
    out8(pit_command, 0xb0);
    out8(pit_data, 0xff);
    out8(pit_data, 0xff);
    return {"PIT", read_pit, 0xffff, pit_hertz};
}

// ---- Measuring

struct Sample {
    u64 tsc, reference, apic;
};

Sample take_sample(const ReferenceClock& clock)
{
    Sample best{};
    for (u64 closest = ~u64{0}, tries = 0; tries < 8; ++tries) {
        const u64 before = read_tsc();
        const u64 reference = clock.read();
        const u64 apic = apic_access->read(ApicRegister::current_count);
        const u64 after = read_tsc();
        if (after - before < closest) {
            closest = after - before;
            best = {before + closest / 2, reference, apic};
        }
    }
    return best;
}

u64 tsc_hertz = 0, apic_hertz = 0;

void measure(const ReferenceClock& clock)
{
    apic_access->write(ApicRegister::divide, 0x3); // by 16
    apic_access->write(ApicRegister::initial_count, ~0u);
    const Sample first = take_sample(clock);
    const u64 wanted = clock.hertz * (measured_nanoseconds / 1000) / 1'000'000;
    while (((clock.read() - first.reference) & clock.mask) < wanted)
        asm volatile("pause");
    const Sample last = take_sample(clock);
    apic_access->write(ApicRegister::initial_count, 0);
    const u64 elapsed = (last.reference - first.reference) & clock.mask;
    tsc_hertz = multiply_divide(last.tsc - first.tsc, clock.hertz, elapsed);
    apic_hertz = multiply_divide(first.apic - last.apic, clock.hertz, elapsed);
}

// ---- System time

u64 tsc_at_zero = 0;
Scale to_nanoseconds{};
Scale to_apic_ticks{};
bool tsc_is_invariant = false;

// ---- Wall clock: nothing guards it but the order of boot and a privileged domain's own care.

machine::WallClock wall{};

u8 read_rtc(u8 which)
{
    out8(0x70, which);
    return in8(0x71);
}

struct RtcTime {
    u8 second, minute, hour, day, month, year, century;
    bool operator==(const RtcTime&) const = default;
};

RtcTime read_rtc_registers()
{
    const u8 century = acpi().century_register;
    return {read_rtc(0),
            read_rtc(2),
            read_rtc(4),
            read_rtc(7),
            read_rtc(8),
            read_rtc(9),
            century ? read_rtc(century) : u8{0}};
}

/// Twice the same in a row: not in the middle of its update.
RtcTime read_rtc_steadily()
{
    RtcTime seen = read_rtc_registers();
    for (unsigned tries = 0; tries < 1000; ++tries) {
        const RtcTime again = read_rtc_registers();
        if (again == seen)
            break;
        seen = again;
    }
    return seen;
}

void read_wall_clock()
{
    constexpr u8 status_b = 0x0b, binary = 4, hours_24 = 2;
    RtcTime t = read_rtc_steadily();
    const u8 format = read_rtc(status_b);
    const bool afternoon = !(format & hours_24) && t.hour & 0x80;
    t.hour &= 0x7f;
    if (!(format & binary))
        for (u8* value : {&t.second, &t.minute, &t.hour, &t.day, &t.month, &t.year, &t.century})
            *value = static_cast<u8>((*value >> 4) * 10 + (*value & 15));
    if (!(format & hours_24))
        t.hour = static_cast<u8>(t.hour % 12 + (afternoon ? 12 : 0));
    const unsigned year = t.century >= 19 ? t.century * 100U + t.year : t.year + (t.year >= 70 ? 1900U : 2000U);
    const u64 now = seconds_since_1970(year, t.month, t.day, t.hour, t.minute, t.second);
    const u64 since_zero = static_cast<u64>(machine::now().value);
    const u64 at_zero = now * nanoseconds_per_second - since_zero;
    wall = {at_zero / nanoseconds_per_second, static_cast<u32>(at_zero % nanoseconds_per_second)};
}

}

void initialise_time()
{
    const ReferenceClock clock = choose_reference_clock();
    measure(clock);
    if (tsc_hertz == 0 || apic_hertz == 0)
        panic("the TSC or the local APIC's timer does not count against the {}", clock.name);
    to_nanoseconds = Scale::ratio(nanoseconds_per_second, tsc_hertz);
    to_apic_ticks = Scale::ratio(apic_hertz, nanoseconds_per_second);
    tsc_is_invariant = cpuid(0x80000000).a >= 0x80000007 && cpuid(0x80000007).d >> 8 & 1;
    tsc_at_zero = read_tsc();
    read_wall_clock();
    log(LogLevel::info, "Time: TSC {} kHz{}, APIC timer {} kHz, measured against the {}", tsc_hertz / 1000,
        tsc_is_invariant ? " (invariant)" : "", apic_hertz / 1000, clock.name);
}

void initialise_timer()
{
    apic_access->write(ApicRegister::divide, 0x3);
    apic_access->write(ApicRegister::timer, vector_timer); // one-shot
    apic_access->write(ApicRegister::initial_count, 0);
}

}

namespace xylem::machine {

using namespace arch;

u64 tsc()
{
    return read_tsc();
}

Nanoseconds now()
{
    return Nanoseconds(static_cast<i64>(to_nanoseconds.apply(read_tsc() - tsc_at_zero)));
}

void arm_timer(Nanoseconds deadline)
{
    constexpr u64 longest = 0xffffffff;
    cpu().armed_deadline = deadline;
    const i64 left = deadline - now();
    // A deadline too far for the counter fires early; whoever armed it sees that nothing is due and arms anew.
    const u64 ticks = left > 0 ? to_apic_ticks.apply(static_cast<u64>(left)) + 1 : 1;
    apic_access->write(ApicRegister::initial_count, static_cast<u32>(ticks < longest ? ticks : longest));
}

void disarm_timer()
{
    cpu().armed_deadline = Nanoseconds{};
    apic_access->write(ApicRegister::initial_count, 0);
}

TimeScale time_scale()
{
    return {
        tsc_at_zero, 0, to_nanoseconds.mul, to_nanoseconds.shift, tsc_is_invariant, static_cast<u32>(tsc_hertz / 1000)};
}

WallClock wall_clock()
{
    return wall;
}

void set_wall_clock(WallClock at_system_time_zero)
{
    wall = at_system_time_zero;
}

}
