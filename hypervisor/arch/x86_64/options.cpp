// The options of this boot, read once from the boot loader's command line.

#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/core/build_info.hpp"
#include "hypervisor/core/log.hpp"

namespace xylem::arch {

CommandLine options;

void read_command_line()
{
    build_info.command_line = boot_info().command_line;
    // The console is set up by what is read here, so complaints wait in the log ring until it is.
    parse_command_line(boot_info().command_line, options, [](std::string_view word, const char* expected) {
        char text[64] = {};
        word.copy(text, sizeof text - 1);
        if (expected)
            log(LogLevel::warning, "command line: `{}' is passed over: it takes {}", text, expected);
        else
            log(LogLevel::warning, "command line: `{}' is passed over: no such option", text);
    });
}

}
