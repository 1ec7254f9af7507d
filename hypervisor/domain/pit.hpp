// Channel 2 of a PIT, and its gate: the clock by which kernels measure the TSC at boot. Every domain has its own.
//
// Only what that use needs: a counter of 16 bits that runs down from what was written at 1.193182 MHz while the gate is
// open, read low byte first, and the output bit. Nothing ever interrupts.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem {

class Pit {
public:
    u8 read_counter(Nanoseconds now);
    void write_counter(u8 value, Nanoseconds now);
    /// The command port: an access mode for channel 2, or a latch of its count; other channels are not there.
    void write_command(u8 value, Nanoseconds now);
    u8 read_gate(Nanoseconds now) const;
    void write_gate(u8 value, Nanoseconds now);

private:
    u64 ticks(Nanoseconds now) const;
    u16 count(Nanoseconds now) const { return static_cast<u16>(reload_ - ticks(now)); }

    u16 reload_ = 0;
    u16 latched_ = 0;
    bool has_latch_ = false, high_byte_next_ = false, high_byte_written_next_ = false;
    u8 gate_ = 0; ///< bits 0 (gate) and 1 (speaker) of port 0x61
    Nanoseconds started_{};
};

}
