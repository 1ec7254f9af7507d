// Log lines and formatting. A format is a literal with {} places, {:x} for hexadecimal; see format.hpp.
#pragma once

#include "hypervisor/base/format.hpp"
#include "hypervisor/core/machine.hpp"

namespace xylem {

/// As Xen's loglvl= and guest_loglvl= name them.
enum class LogLevel : int { error = 0, warning = 1, info = 2, debug = 3 };

template <typename... Args> void log(LogLevel level, const char* format, const Args&... args)
{
    char text[240];
    const size_t length = format_to(text, sizeof text, format, args...);
    machine::write_log(static_cast<int>(level), text, length);
}

/// Added to the level of messages that a guest has caused: guest_loglvl= decides about these.
inline constexpr int about_guests = 8;

/// A message that a guest can cause as often as it likes to.
template <typename... Args> void log_guest(LogLevel level, const char* format, const Args&... args)
{
    char text[240];
    const size_t length = format_to(text, sizeof text, format, args...);
    machine::write_log(static_cast<int>(level) + about_guests, text, length);
}

template <typename... Args> [[noreturn]] void panic(const char* format, const Args&... args)
{
    char text[240];
    format_to(text, sizeof text, format, args...);
    machine::panic(text);
}

}

/// Our own invariant: if it does not hold, the fault is ours and the machine stops. Never for what a guest can cause.
#define XYLEM_ASSERT(condition, ...)                                                                                   \
    do {                                                                                                               \
        if (!(condition)) [[unlikely]]                                                                                 \
            ::xylem::panic(__FILE__ ": " #condition ": " __VA_ARGS__);                                                 \
    } while (0)
