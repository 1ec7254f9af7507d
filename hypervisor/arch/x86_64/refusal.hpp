// The end of a boot that cannot go on for a reason that lies outside: a sentence for the person, then a halt.
#pragma once

#include "hypervisor/arch/x86_64/console.hpp"
#include "hypervisor/core/log.hpp"

namespace xylem::arch {

/// Stops this processor for good.
[[noreturn]] void halt_forever();

template <typename... Args> [[noreturn]] void refuse_to_boot(const char* format, const Args&... args)
{
    open_console();
    log(LogLevel::error, format, args...);
    log(LogLevel::error, "Xylem cannot start here. The machine is halted.");
    halt_forever();
}

}
