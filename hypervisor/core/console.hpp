// The machine's console as hypercalls use it: dom0's text, input for dom0, and the log. Part of the seam (machine.hpp).
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::machine {

/// Writes text of the control domain as it is: no prefix, no filter.
void write_console(const char* text, size_t length);
/// Takes up to `capacity` received bytes. @return how many
size_t read_console(char* into, size_t capacity);

/// Reads the log from `index` on (a running count of bytes; what has been overwritten is skipped). @return bytes
/// copied; `index` is then where the next read goes on.
size_t read_log(u64& index, char* into, size_t capacity);
void clear_log();
u64 log_start(); ///< index of the oldest byte that clear_log() and time have left

/// The levels of loglvl= and guest_loglvl=; setters for a privileged domain.
struct LogThresholds {
    int hypervisor, guest;
};
LogThresholds log_thresholds();
void set_log_thresholds(LogThresholds thresholds);

}
