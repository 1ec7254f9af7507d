// The hypervisor's command line.

#include "hypervisor/arch/x86_64/command_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

using namespace xylem::arch;
using testing::ElementsAre;
using testing::IsEmpty;

namespace {

std::vector<std::string> complaints;

CommandLine parse(std::string_view text)
{
    complaints.clear();
    CommandLine options;
    parse_command_line(text, options, [](std::string_view word, const char* expected) {
        complaints.push_back(std::string(word) + (expected ? " (takes " + std::string(expected) + ")" : ""));
    });
    return options;
}

TEST(CommandLine, WhatTheTestsOfRealXenPassIsUnderstood)
{
    const CommandLine options =
        parse("console=com1 com1=115200,8n1 loglvl=info guest_loglvl=all dom0_mem=768M noreboot=1");
    EXPECT_THAT(complaints, IsEmpty());
    EXPECT_TRUE(options.console_serial);
    EXPECT_FALSE(options.console_vga);
    EXPECT_EQ(options.serial_baud, 115200U);
    EXPECT_EQ(options.log_level, 2);
    EXPECT_EQ(options.guest_log_level, 3);
    EXPECT_EQ(options.dom0_memory.bytes, 768ULL << 20);
    EXPECT_TRUE(options.no_reboot);
}

TEST(CommandLine, NothingGivenMeansTheDefaults)
{
    const CommandLine options = parse("   ");
    EXPECT_TRUE(options.console_serial && options.console_vga && options.smap && options.smep && options.idle_scrub);
    EXPECT_FALSE(options.no_reboot || options.dom0_memory.given);
    EXPECT_EQ(options.dom0_max_vcpus, 0U);
}

TEST(CommandLine, AnUnknownOptionIsNamedAndTheRestCounts)
{
    const CommandLine options = parse("foo=3 bar dom0_max_vcpus=2");
    EXPECT_THAT(complaints, ElementsAre("foo=3", "bar"));
    EXPECT_EQ(options.dom0_max_vcpus, 2U);
}

TEST(CommandLine, AWrongValueIsNamedWithWhatWasExpectedAndChangesNothing)
{
    const CommandLine options = parse("dom0_mem=lots,max:1G com1=115201 loglvl=loud smap=perhaps dom0_max_vcpus=0");
    EXPECT_EQ(complaints.size(), 5U);
    EXPECT_EQ(complaints[0], "dom0_mem=lots,max:1G (takes SIZE[,min:SIZE][,max:SIZE], as in 768M, 25% or 512M+10%)");
    EXPECT_FALSE(options.dom0_memory.given || options.dom0_memory_max.given);
    EXPECT_EQ(options.serial_baud, 115200U);
    EXPECT_TRUE(options.smap);
}

TEST(CommandLine, MemoryHasSuffixesAPlainNumberCountsKiB)
{
    EXPECT_EQ(parse("dom0_mem=1G").dom0_memory.bytes, 1ULL << 30);
    EXPECT_EQ(parse("dom0_mem=2t").dom0_memory.bytes, 2ULL << 40);
    EXPECT_EQ(parse("dom0_mem=4096").dom0_memory.bytes, 4096ULL << 10);
    EXPECT_EQ(parse("dom0_mem=512B").dom0_memory.bytes, 512ULL);
    EXPECT_EQ(parse("dom0_mem=0x100M").dom0_memory.bytes, 256ULL << 20);
}

TEST(CommandLine, MemoryCanHaveBoundsAndCanBeAllButSome)
{
    const CommandLine options = parse("dom0_mem=-256M,min:128M,max:4G");
    EXPECT_TRUE(options.dom0_memory.all_but);
    EXPECT_EQ(options.dom0_memory.bytes, 256ULL << 20);
    EXPECT_EQ(options.dom0_memory_min.bytes, 128ULL << 20);
    EXPECT_EQ(options.dom0_memory_max.bytes, 4ULL << 30);
}

TEST(CommandLine, MemoryCanBeAShareOfWhatThereIs)
{
    EXPECT_EQ(parse("dom0_mem=25%").dom0_memory.pages(1000, 7), 250U);
    EXPECT_EQ(parse("dom0_mem=1M+10%").dom0_memory.pages(1000, 7), 356U);
    EXPECT_EQ(parse("dom0_mem=-10%").dom0_memory.pages(1000, 7), 900U);
    EXPECT_EQ(parse("dom0_mem=min:50%,max:60%").dom0_memory_max.pages(1000, 7), 600U);
    EXPECT_EQ(parse("dom0_mem=-8M").dom0_memory.pages(1000, 7), 0U) << "less than nothing";
    EXPECT_EQ(parse("dom0_mem=0").dom0_memory.pages(1000, 7), 7U) << "no wish";
    EXPECT_EQ(parse("").dom0_memory.pages(1000, 7), 7U);
    EXPECT_TRUE(complaints.empty());
    parse("dom0_mem=100% dom0_mem=10%+1G dom0_mem=1G+ dom0_mem=% dom0_mem=1G+1G dom0_mem=1G+1%+1%");
    EXPECT_EQ(complaints.size(), 6U);
}

TEST(CommandLine, MemoryThatDoesNotFitInANumberIsRefused)
{
    parse("dom0_mem=99999999999999999999999 dom0_mem=9999999999999T");
    EXPECT_EQ(complaints.size(), 2U);
}

TEST(CommandLine, FlagsCanBeNegated)
{
    EXPECT_FALSE(parse("smap=0").smap);
    EXPECT_FALSE(parse("no-idle-scrub").idle_scrub);
    EXPECT_FALSE(parse("no-smep").smep);
    EXPECT_TRUE(parse("noreboot").no_reboot);
    EXPECT_FALSE(parse("noreboot=no").no_reboot);
}

TEST(CommandLine, TheSerialPortCanBeElsewhere)
{
    const CommandLine options = parse("com1=9600,7e2,0x2f8,3");
    EXPECT_THAT(complaints, IsEmpty());
    EXPECT_EQ(options.serial_baud, 9600U);
    EXPECT_EQ(options.serial_data_bits, 7);
    EXPECT_EQ(options.serial_parity, 'e');
    EXPECT_EQ(options.serial_stop_bits, 2);
    EXPECT_EQ(options.serial_port, 0x2f8);
    EXPECT_EQ(options.serial_irq, 3);
}

}
