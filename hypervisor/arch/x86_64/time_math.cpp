// The arithmetic of time, without a machine.

#include "hypervisor/arch/x86_64/time.hpp"

namespace xylem::arch {

Scale Scale::ratio(u64 to, u64 from)
{
    // mul is to have its top bit set: (to << 32) / from in [2^31, 2^32), by shifting one side or the other.
    i8 shift = 0;
    while (to >= from) {
        to % 2 == 0 ? to >>= 1 : from <<= 1;
        ++shift;
    }
    while (to << 1 < from) {
        to <<= 1;
        --shift;
    }
    return {static_cast<u32>(multiply_divide(to, u64{1} << 32, from)), shift};
}

u64 seconds_since_1970(unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute, unsigned second)
{
    // Years that begin in March put the leap day last.
    const unsigned y = month <= 2 ? year - 1 : year;
    const unsigned shifted_month = month <= 2 ? month + 9 : month - 3;
    const unsigned day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    const u64 days = u64{y} * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
    return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

}
