// Registers of the 16550: data 0, interrupt enable 1, FIFO control and interrupt identity 2, line control 3, modem
// control 4, line status 5, scratch 7. With bit 7 of line control set, 0 and 1 are the divisor.

#include "hypervisor/arch/x86_64/serial.hpp"

#include "hypervisor/arch/x86_64/io.hpp"

namespace xylem::arch {
namespace {

constexpr u16 data = 0, interrupt_enable = 1, fifo_control = 2, interrupt_identity = 2, line_control = 3,
              modem_control = 4, line_status = 5, scratch = 7;
constexpr u8 received = 1, transmitter_empty = 0x20;
constexpr unsigned transmit_patience = 100'000; // polls; a port that stays full is not there any more

u8 parity_bits(char parity)
{
    switch (parity) {
    case 'o':
        return 0x08;
    case 'e':
        return 0x18;
    case 'm':
        return 0x28;
    case 's':
        return 0x38;
    }
    return 0;
}

}

bool SerialPort::initialise(const Settings& settings)
{
    out8(settings.port + scratch, 0xa5);
    if (in8(settings.port + scratch) != 0xa5)
        return false;
    base_ = settings.port;
    const u8 format =
        static_cast<u8>((settings.data_bits - 5) | (settings.stop_bits == 2 ? 4 : 0) | parity_bits(settings.parity));
    const u16 divisor = static_cast<u16>(115200 / settings.baud);
    out8(base_ + interrupt_enable, 0);
    out8(base_ + line_control, 0x80);
    out8(base_ + 0, static_cast<u8>(divisor));
    out8(base_ + 1, static_cast<u8>(divisor >> 8));
    out8(base_ + line_control, format);
    out8(base_ + fifo_control, 0x07);  // enabled and cleared; interrupt at the first byte
    out8(base_ + modem_control, 0x0b); // DTR, RTS, and OUT2, which lets interrupts out
    return true;
}

void SerialPort::put(char c)
{
    if (!present())
        return;
    for (unsigned i = 0; i < transmit_patience && !(in8(base_ + line_status) & transmitter_empty); ++i)
        asm volatile("pause");
    out8(base_ + data, static_cast<u8>(c));
}

int SerialPort::get()
{
    if (!present() || !(in8(base_ + line_status) & received))
        return -1;
    return in8(base_ + data);
}

void SerialPort::enable_receive_interrupt()
{
    if (!present())
        return;
    in8(base_ + interrupt_identity);
    out8(base_ + interrupt_enable, 1);
}

}
