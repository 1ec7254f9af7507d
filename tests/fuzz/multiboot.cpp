// What a boot loader hands over: the input is its low memory, behind a word for the magic number and one for the
// address.
#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/boot_memory.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/support/choices.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>

using namespace xylem;
using namespace xylem::arch;

FUZZ_TARGET(multiboot)
{
    xylem::test::ByteChoices choices(input);
    const u32 magic = choices.below(2) ? multiboot1_magic : multiboot2_magic;
    const u32 address = choices.number<u32>();
    // A copy of its own, so that a byte too far is seen.
    const std::span<const u8> rest = choices.take(input.size());
    const std::vector<u8> memory(rest.begin(), rest.end());
    const auto info = std::make_unique<BootInfo>();
    if (!parse_boot_information(magic, address, memory.data(), memory.size(), *info))
        return;
    EXPECT_LE(info->memory_count, std::size(info->memory));
    EXPECT_LE(info->module_count, std::size(info->modules));
    EXPECT_LE(info->rsdp_bytes, sizeof info->rsdp);
    EXPECT_LT(strnlen(info->command_line, sizeof info->command_line), sizeof info->command_line);
    EXPECT_LT(strnlen(info->loader, sizeof info->loader), sizeof info->loader);
}
