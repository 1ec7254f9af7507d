// What the boot loader told this time: its information, and the options on our command line.

#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/command_line.hpp"
#include "hypervisor/arch/x86_64/layout.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"
#include "hypervisor/core/build_info.hpp"

namespace xylem::arch {

CommandLine options;

static BootInfo the_boot_info;

const BootInfo& boot_info()
{
    return the_boot_info;
}

void read_boot_information(u32 magic, u32 address)
{
    // The early page tables map the first 4 GiB here.
    const u8* memory = reinterpret_cast<const u8*>(LAYOUT_DIRECT_MAP);
    if (!parse_boot_information(magic, address, memory, u64{1} << 32, the_boot_info))
        refuse_to_boot("no usable information from the boot loader (magic {:x}): load this image by Multiboot2 "
                       "(GRUB's `multiboot2`) or Multiboot1 (`qemu -kernel`), with a memory map",
                       magic);
    find_rsdp(memory, the_boot_info);
}

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
