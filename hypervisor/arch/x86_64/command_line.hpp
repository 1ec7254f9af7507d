// The hypervisor's own command line, with Xen's names. (docs/boot.md says what each option does)
#pragma once

#include "hypervisor/base/types.hpp"

#include <string_view>

namespace xylem::arch {

/// A size of dom0_mem=: so many bytes and so many hundredths of the machine's memory together. A negative size means
/// "all but that much".
struct MemoryAmount {
    u64 bytes = 0;
    unsigned percent = 0;
    bool all_but = false;
    bool given = false;

    /// @param available  how much there is @param otherwise  the answer if no size was given; all in pages
    u64 pages(u64 available, u64 otherwise) const;
};

struct CommandLine {
    bool console_serial = true, console_vga = true;
    u32 serial_baud = 115200;
    u8 serial_data_bits = 8, serial_stop_bits = 1;
    char serial_parity = 'n';
    u16 serial_port = 0x3f8;
    u8 serial_irq = 4;
    MemoryAmount dom0_memory, dom0_memory_min, dom0_memory_max;
    unsigned dom0_max_vcpus = 0; ///< 0: as many as there are processors
    int log_level = 2;           ///< the highest LogLevel that is shown
    int guest_log_level = 1;
    bool no_reboot = false;
    bool idle_scrub = true;
    bool smap = true, smep = true;
};

/// Told of each word that is not understood: `why` is null for an unknown option, else says what was expected.
using ComplainAbout = void (*)(std::string_view word, const char* why);

/// Fills `options` from the words of `text`; a wrong value leaves the default.
void parse_command_line(std::string_view text, CommandLine& options, ComplainAbout complain);

/// The options of this boot.
extern CommandLine options;
void read_command_line();

}
