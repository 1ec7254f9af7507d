// What boot loaders hand over, and memory before there is a heap.

#include "hypervisor/arch/x86_64/boot_info.hpp"
#include "hypervisor/arch/x86_64/boot_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

using namespace xylem;
using namespace xylem::arch;

namespace {

class Memory {
public:
    Memory() : bytes(0x100000) {}
    template <typename T> void put(size_t at, T value) { memcpy(&bytes[at], &value, sizeof value); }
    void put_text(size_t at, const std::string& text) { memcpy(&bytes[at], text.c_str(), text.size() + 1); }
    bool parse(u32 magic, u32 address, BootInfo& info) const
    {
        return parse_boot_information(magic, address, bytes.data(), bytes.size(), info);
    }
    std::vector<u8> bytes;
};

/// As qemu -kernel leaves it.
Memory multiboot1(const std::string& loader)
{
    Memory memory;
    memory.put<u32>(0x1000, 1U << 2 | 1U << 3 | 1U << 6 | 1U << 9);
    memory.put<u32>(0x1000 + 16, 0x2000);
    memory.put_text(0x2000, "build/xylem.elf console=com1");
    memory.put<u32>(0x1000 + 20, 1);
    memory.put<u32>(0x1000 + 24, 0x3000);
    memory.put<u32>(0x3000, 0x400000);
    memory.put<u32>(0x3004, 0x500000);
    memory.put<u32>(0x3008, 0x3100);
    memory.put_text(0x3100, "vmlinuz root=/dev/sda quiet");
    memory.put<u32>(0x1000 + 44, 24);
    memory.put<u32>(0x1000 + 48, 0x4000);
    memory.put<u32>(0x4000, 20);
    memory.put<u64>(0x4004, 0x100000);
    memory.put<u64>(0x400c, 0x7f00000);
    memory.put<u32>(0x4014, 1);
    memory.put<u32>(0x1000 + 64, 0x5000);
    memory.put_text(0x5000, loader);
    return memory;
}

TEST(BootInformation, QemusStringsBeginWithTheFilesName)
{
    BootInfo info{};
    ASSERT_TRUE(multiboot1("qemu").parse(multiboot1_magic, 0x1000, info));
    EXPECT_STREQ(info.command_line, "console=com1");
    ASSERT_EQ(info.module_count, 1U);
    EXPECT_STREQ(info.modules[0].arguments, "root=/dev/sda quiet");
    EXPECT_EQ(info.modules[0].start.value, 0x400000U);
    EXPECT_EQ(info.modules[0].bytes, 0x100000U);
    ASSERT_EQ(info.memory_count, 1U);
    EXPECT_EQ(info.memory[0].addr, 0x100000U);
    EXPECT_EQ(info.memory[0].size, 0x7f00000U);
}

TEST(BootInformation, OtherLoadersStringsAreTakenWhole)
{
    BootInfo info{};
    ASSERT_TRUE(multiboot1("GRUB 2.06").parse(multiboot1_magic, 0x1000, info));
    EXPECT_STREQ(info.command_line, "build/xylem.elf console=com1");
}

TEST(BootInformation, AModuleThatEndsBeforeItsStartIsNoModule)
{
    Memory memory = multiboot1("qemu");
    memory.put<u32>(0x3004, 0x3fffff);
    BootInfo info{};
    ASSERT_TRUE(memory.parse(multiboot1_magic, 0x1000, info));
    EXPECT_EQ(info.module_count, 0U);
}

TEST(BootInformation, WithoutAMemoryMapThereIsNoBoot)
{
    Memory memory = multiboot1("qemu");
    memory.put<u32>(0x1000, 1U << 2);
    BootInfo info{};
    EXPECT_FALSE(memory.parse(multiboot1_magic, 0x1000, info));
    EXPECT_FALSE(memory.parse(0x12345678, 0x1000, info));
}

TEST(BootInformation, Multiboot2TagsAreRead)
{
    Memory memory;
    size_t at = 0x1008;
    const auto tag = [&](u32 type, u32 bytes) {
        memory.put<u32>(at, type);
        memory.put<u32>(at + 4, bytes);
        const size_t body = at + 8;
        at = (at + bytes + 7) & ~size_t{7};
        return body;
    };
    memory.put_text(tag(1, 8 + 13), "console=com1");
    memory.put_text(tag(2, 8 + 10), "GRUB 2.06");
    size_t module = tag(3, 16 + 6);
    memory.put<u32>(module, 0x800000);
    memory.put<u32>(module + 4, 0x900000);
    memory.put_text(module + 8, "quiet");
    size_t map = tag(6, 16 + 2 * 24);
    memory.put<u32>(map, 24);
    memory.put<u64>(map + 8, 0);
    memory.put<u64>(map + 16, 0x9f000);
    memory.put<u32>(map + 24, 1);
    memory.put<u64>(map + 32, 0x100000000);
    memory.put<u64>(map + 40, 0x80000000);
    memory.put<u32>(map + 48, 1);
    memory.put_text(tag(15, 8 + 36), "RSD PTR new");
    memory.put_text(tag(14, 8 + 20), "RSD PTR old");
    tag(0, 8);
    memory.put<u32>(0x1000, static_cast<u32>(at - 0x1000));

    BootInfo info{};
    ASSERT_TRUE(memory.parse(multiboot2_magic, 0x1000, info));
    EXPECT_STREQ(info.command_line, "console=com1");
    EXPECT_STREQ(info.loader, "GRUB 2.06");
    ASSERT_EQ(info.module_count, 1U);
    EXPECT_STREQ(info.modules[0].arguments, "quiet");
    ASSERT_EQ(info.memory_count, 2U);
    EXPECT_EQ(info.memory[1].addr, 0x100000000U);
    EXPECT_EQ(info.rsdp_bytes, 36U);
    EXPECT_STREQ(reinterpret_cast<const char*>(info.rsdp), "RSD PTR new");
}

TEST(BootInformation, TheRootPointerIsFoundInTheBiosArea)
{
    Memory memory;
    memory.put_text(0xf0010, "RSD PTR bogus"); // wrong checksum
    memory.put_text(0xf59d0, "RSD PTR ");
    u8 sum = 0;
    for (const char* p = "RSD PTR "; *p; ++p)
        sum = static_cast<u8>(sum + *p);
    memory.put<u8>(0xf59d0 + 8, static_cast<u8>(-sum));
    BootInfo info{};
    ASSERT_TRUE(find_rsdp(memory.bytes.data(), info));
    EXPECT_EQ(info.rsdp_bytes, 20U);
    EXPECT_EQ(memcmp(info.rsdp, "RSD PTR ", 8), 0);
}

// ---- Memory before the heap

std::vector<std::pair<u64, u64>> runs(const BootMemory& memory)
{
    std::vector<std::pair<u64, u64>> found;
    for (const BootMemory::Run& run : memory.runs())
        found.push_back({run.first.value, run.last.value});
    return found;
}

using Runs = std::vector<std::pair<u64, u64>>;
constexpr u32 ram = 1, reserved = 2;

TEST(BootMemory, PartPagesAndTheFirstMegabyteAreLeftOut)
{
    const xylem::abi::E820Entry map[] = {{0, 0x9fc00, ram}, {0x100800, 0x100000, ram}};
    BootMemory memory;
    memory.add_map(map, Mfn(0x100));
    EXPECT_EQ(runs(memory), (Runs{{0x101, 0x200}}));
}

TEST(BootMemory, WhatIsReservedInsideRamIsNoRam)
{
    const xylem::abi::E820Entry map[] = {{0x100000, 0x100000, ram}, {0x140000, 0x800, reserved}};
    BootMemory memory;
    memory.add_map(map, Mfn(0x100));
    EXPECT_EQ(runs(memory), (Runs{{0x100, 0x140}, {0x141, 0x200}}));
}

TEST(BootMemory, OverlappingRamIsCountedOnce)
{
    const xylem::abi::E820Entry map[] = {{0x200000, 0x100000, ram}, {0x100000, 0x180000, ram}};
    BootMemory memory;
    memory.add_map(map, Mfn(0x100));
    EXPECT_EQ(memory.free_frames(), 0x200U);
}

TEST(BootMemory, FramesComeFromTheTopBelowTheLimitAligned)
{
    const xylem::abi::E820Entry map[] = {{0x100000, 0x700000, ram}, {0x100000000, 0x900000, ram}};
    BootMemory memory;
    memory.add_map(map, Mfn(0x100));
    EXPECT_EQ(memory.take(0x200, 0x200), Mfn(0x100600));
    EXPECT_EQ(memory.take(1, 1, Mfn(0x100000)), Mfn(0x7ff));
    EXPECT_EQ(memory.take(0x200, 0x200, Mfn(0x7ff)), Mfn(0x400));
    EXPECT_EQ(memory.take(0x10000), invalid_mfn);
    EXPECT_EQ(runs(memory), (Runs{{0x100, 0x400}, {0x600, 0x7ff}, {0x100000, 0x100600}, {0x100800, 0x100900}}));
}

}
