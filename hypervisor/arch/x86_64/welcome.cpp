// The banner, the command line, the memory map, the modules.

#include "hypervisor/arch/x86_64/welcome.hpp"

#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/refusal.hpp"

namespace xylem::arch {
namespace {

const char* name_of(u32 type)
{
    switch (static_cast<abi::E820Type>(type)) {
    case abi::E820Type::ram:
        return "RAM";
    case abi::E820Type::acpi:
        return "ACPI tables";
    case abi::E820Type::nvs:
        return "ACPI NVS";
    case abi::E820Type::unusable:
        return "unusable";
    default:
        return "reserved";
    }
}

}

void greet()
{
    const BootInfo& info = boot_info();
    log(LogLevel::info, "Xylem, a paravirtual hypervisor (ABI of Xen 4.17)");
    log(LogLevel::info, "Loaded by {}, command line: {}", info.loader[0] ? info.loader : "an unnamed loader",
        info.command_line);
    for (const abi::E820Entry& entry : info.memory_map())
        log(LogLevel::info, "  {:x}-{:x} {}", entry.addr, entry.addr + entry.size - 1, name_of(entry.type));
    for (unsigned i = 0; i < info.module_count; ++i)
        log(LogLevel::info, "  module {} at {:x}, {} KiB: {}", i, info.modules[i].start, info.modules[i].bytes >> 10,
            info.modules[i].arguments);
    if (info.module_count == 0)
        refuse_to_boot(
            "no module was loaded: the first must be dom0's kernel with its command line, the second its initrd "
            "(GRUB: module2; qemu: -initrd \"KERNEL ARGUMENTS,INITRD\")");
}

}
