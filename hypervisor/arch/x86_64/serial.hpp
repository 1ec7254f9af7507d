// A 16550 serial port: output by polling, input by interrupt.
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

class SerialPort {
public:
    struct Settings {
        u16 port;
        u32 baud;
        u8 data_bits, stop_bits;
        char parity;
    };

    /// @return false if no 16550 answers there; the port then swallows what is written.
    bool initialise(const Settings& settings);
    void put(char c);
    /// @return the next byte received, or -1.
    int get();
    /// Lets received bytes raise the port's interrupt.
    void enable_receive_interrupt();
    bool present() const { return base_ != 0; }

private:
    u16 base_ = 0;
};

}
