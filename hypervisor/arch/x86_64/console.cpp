// Log messages, dom0's text and guests' lines on their way to the ring, the serial port and the screen.

#include "hypervisor/arch/x86_64/console.hpp"

#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/layout.hpp"
#include "hypervisor/arch/x86_64/serial.hpp"
#include "hypervisor/arch/x86_64/vga.hpp"
#include "hypervisor/base/lock.hpp"
#include "hypervisor/core/console.hpp"
#include "hypervisor/core/log.hpp"

namespace xylem::arch {
namespace {

SpinLock console_lock(LockRank::console);
SerialPort serial;
VgaText vga;
bool open = false, ending = false;

// The log. `written` counts every byte ever put in; the last ring_bytes of them are there.
constexpr u64 ring_bytes = 32768;
char ring[ring_bytes];
u64 written = 0, cleared = 0;

// Received bytes on their way to dom0. Both counts run on; their difference is the fill.
constexpr u64 input_bytes = 128;
char input[input_bytes];
u64 input_in = 0, input_out = 0;

/// The lock, but in a panic: whoever holds it may have been stopped.
class ConsoleGuard {
public:
    ConsoleGuard() : held_(!ending)
    {
        if (held_)
            console_lock.lock();
    }
    ~ConsoleGuard()
    {
        if (held_)
            console_lock.unlock();
    }

private:
    bool held_;
};

void put_device(char c)
{
    if (c == '\n')
        serial.put('\r');
    serial.put(c);
    vga.put(c);
}

void put(const char* text, size_t length)
{
    for (size_t i = 0; i < length; ++i) {
        ring[written++ % ring_bytes] = text[i];
        put_device(text[i]);
    }
}

u64 oldest()
{
    const u64 kept = written > ring_bytes ? written - ring_bytes : 0;
    return kept > cleared ? kept : cleared;
}

}

static void open_screen()
{
    if (options.console_vga)
        vga.initialise(reinterpret_cast<volatile u16*>(LAYOUT_DIRECT_MAP + 0xb8000));
}

void open_console()
{
    ConsoleGuard guard;
    if (open)
        return;
    open = true;
    if (options.console_serial)
        serial.initialise({options.serial_port, options.serial_baud, options.serial_data_bits, options.serial_stop_bits,
                           options.serial_parity});
    open_screen();
    for (u64 i = oldest(); i < written; ++i)
        put_device(ring[i % ring_bytes]);
}

u8 release_screen()
{
    ConsoleGuard guard;
    return vga.release();
}

bool receive_console_input()
{
    ConsoleGuard guard;
    bool any = false;
    for (int c; (c = serial.get()) >= 0; any = true)
        if (input_in - input_out < input_bytes)
            input[input_in++ % input_bytes] = static_cast<char>(c);
    return any;
}

void enable_console_input()
{
    serial.enable_receive_interrupt();
}

u8 console_irq()
{
    return serial.present() ? options.serial_irq : u8{0};
}

void console_in_panic()
{
    ending = true;
    open_console();
    open_screen();
}

}

namespace xylem::machine {

using namespace arch;

void write_log(int level, const char* text, size_t length)
{
    const int threshold = level >= about_guests ? options.guest_log_level + about_guests : options.log_level;
    if (level > threshold)
        return;
    ConsoleGuard guard;
    put("(xylem) ", 8);
    put(text, length);
    put("\n", 1);
}

void write_console(const char* text, size_t length)
{
    ConsoleGuard guard;
    for (size_t i = 0; i < length; ++i)
        put_device(text[i]);
}

size_t read_console(char* into, size_t capacity)
{
    ConsoleGuard guard;
    size_t n = 0;
    while (n < capacity && input_out < input_in)
        into[n++] = input[input_out++ % input_bytes];
    return n;
}

size_t read_log(u64& index, char* into, size_t capacity)
{
    ConsoleGuard guard;
    if (index < oldest())
        index = oldest();
    size_t n = 0;
    while (n < capacity && index < written)
        into[n++] = ring[index++ % ring_bytes];
    return n;
}

void clear_log()
{
    ConsoleGuard guard;
    cleared = written;
}

u64 log_start()
{
    ConsoleGuard guard;
    return oldest();
}

LogThresholds log_thresholds()
{
    return {options.log_level, options.guest_log_level};
}

void set_log_thresholds(LogThresholds thresholds)
{
    options.log_level = thresholds.hypervisor;
    options.guest_log_level = thresholds.guest;
}

}
