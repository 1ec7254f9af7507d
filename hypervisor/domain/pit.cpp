// See pit.hpp. (Intel 8254 data sheet: modes, latch command, read-back of 16-bit counts)

#include "hypervisor/domain/pit.hpp"

namespace xylem {
namespace {

constexpr u64 hertz = 1'193'182, nanoseconds_per_second = 1'000'000'000;
constexpr u8 channel_mask = 0xc0, channel2 = 0x80, access_mask = 0x30;
constexpr u8 gate_open = 1, gate_bits = 3, refresh_bit = 0x10, output_bit = 0x20;
constexpr i64 refresh_ns = 15'085; // the toggle that the memory refresh of old left in port 0x61

}

u64 Pit::ticks(Nanoseconds now) const
{
    if (!(gate_ & gate_open))
        return 0;
    // Split, so that days of nanoseconds times a megahertz stay within 64 bits.
    const u64 elapsed = static_cast<u64>(now - started_);
    return elapsed / nanoseconds_per_second * hertz + elapsed % nanoseconds_per_second * hertz / nanoseconds_per_second;
}

u8 Pit::read_counter(Nanoseconds now)
{
    const u16 value = has_latch_ ? latched_ : count(now);
    const bool high = high_byte_next_;
    high_byte_next_ = !high;
    if (high)
        has_latch_ = false;
    return static_cast<u8>(high ? value >> 8 : value);
}

void Pit::write_counter(u8 value, Nanoseconds now)
{
    if (high_byte_written_next_)
        reload_ = static_cast<u16>((reload_ & 0xff) | value << 8);
    else
        reload_ = static_cast<u16>((reload_ & 0xff00) | value);
    high_byte_written_next_ = !high_byte_written_next_;
    started_ = now;
}

void Pit::write_command(u8 value, Nanoseconds now)
{
    if ((value & channel_mask) != channel2)
        return;
    if (value & access_mask) {
        high_byte_next_ = high_byte_written_next_ = has_latch_ = false;
    } else if (!has_latch_) {
        latched_ = count(now);
        has_latch_ = true;
    }
}

u8 Pit::read_gate(Nanoseconds now) const
{
    const bool ran_out = (gate_ & gate_open) && ticks(now) >= reload_;
    const bool refresh = now.value / refresh_ns & 1;
    return static_cast<u8>(gate_ | (ran_out ? output_bit : 0) | (refresh ? refresh_bit : 0));
}

void Pit::write_gate(u8 value, Nanoseconds now)
{
    if ((value & gate_open) && !(gate_ & gate_open))
        started_ = now;
    gate_ = value & gate_bits;
}

}
