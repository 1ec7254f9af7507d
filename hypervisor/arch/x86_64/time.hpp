// System time, the timer interrupt, the wall clock.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

/// value * numerator / denominator through 128 bits. The result must fit in 64.
inline u64 multiply_divide(u64 value, u64 numerator, u64 denominator)
{
    u64 quotient, remainder;
    const auto product = static_cast<unsigned __int128>(value) * numerator;
    asm("divq %4"
        : "=a"(quotient), "=d"(remainder)
        : "a"(static_cast<u64>(product)), "d"(static_cast<u64>(product >> 64)), "r"(denominator));
    return quotient;
}

/// A multiplication by a fraction: (value << shift or >> -shift) * mul >> 32.
struct Scale {
    u32 mul;
    i8 shift;

    /// The fraction to / from, as exactly as 32 bits allow. Neither is zero.
    static Scale ratio(u64 to, u64 from);
    u64 apply(u64 value) const
    {
        const u64 shifted = shift >= 0 ? value << shift : value >> -shift;
        return static_cast<u64>(static_cast<unsigned __int128>(shifted) * mul >> 32);
    }
};

/// Seconds since 1970 of a date, in the Gregorian calendar.
u64 seconds_since_1970(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute, unsigned second);

/// Measures the TSC and the local APIC's timer against a clock of known rate, starts system time, reads the RTC.
void initialise_time();
/// Sets up this processor's timer interrupt.
void initialise_timer();

}
