// The reader of ACPI tables, on tables built here.

#include "hypervisor/arch/x86_64/acpi.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <vector>

using namespace xylem;
using namespace xylem::arch;

namespace {

using Bytes = std::vector<u8>;

/// Memory that tables lie in: what is not there cannot be mapped.
std::map<u64, Bytes> memory;

const u8* map_table(MachineAddress start, u64 bytes)
{
    const auto found = memory.find(start.value);
    return found != memory.end() && found->second.size() >= bytes ? found->second.data() : nullptr;
}

template <typename T> void put(Bytes& table, size_t offset, T value)
{
    if (table.size() < offset + sizeof value)
        table.resize(offset + sizeof value);
    memcpy(&table[offset], &value, sizeof value);
}

void make_sum_zero(Bytes& table, size_t at, size_t bytes)
{
    table[at] = 0;
    u8 sum = 0;
    for (size_t i = 0; i < bytes; ++i)
        sum = static_cast<u8>(sum + table[i]);
    table[at] = static_cast<u8>(-sum);
}

/// Adds header, length and checksum to a table's body, which starts at offset 36.
void add_table(u64 address, const char* signature, Bytes table)
{
    if (table.size() < 36)
        table.resize(36);
    memcpy(table.data(), signature, 4);
    put<u32>(table, 4, static_cast<u32>(table.size()));
    make_sum_zero(table, 9, table.size());
    memory[address] = table;
}

Bytes rsdp(u8 revision, u64 root)
{
    Bytes pointer(36);
    memcpy(pointer.data(), "RSD PTR ", 8);
    pointer[15] = revision;
    put<u32>(pointer, 16, static_cast<u32>(root));
    put<u64>(pointer, 24, root);
    make_sum_zero(pointer, 8, 20);
    return pointer;
}

Bytes madt()
{
    Bytes table(44);
    const Bytes entries = {0, 8,  7, 3, 1,  0, 0,    0,                 // local APIC 3, ACPI id 7, enabled
                           0, 8,  8, 4, 0,  0, 0,    0,                 // local APIC 4, not enabled
                           1, 12, 2, 0, 0,  0, 0xc0, 0xfe, 24, 0, 0, 0, // I/O APIC 2 at 0xfec00000, from GSI 24
                           2, 10, 0, 9, 20, 0, 0,    0,    13, 0,       // IRQ 9 is GSI 20, level, high
                           9, 16, 0, 0, 0,  1, 0,    0,    1,  0, 0, 0, 5, 0, 0, 0}; // x2APIC id 256, ACPI id 5
    table.insert(table.end(), entries.begin(), entries.end());
    return table;
}

class Acpi : public testing::Test {
protected:
    Acpi() { memory.clear(); }
    AcpiInfo info{};

    /// Reads a root table of 8-byte pointers to `tables`.
    bool parse(std::vector<u64> tables)
    {
        Bytes root(36);
        for (u64 table : tables)
            put<u64>(root, root.size(), table);
        add_table(0x1000, "XSDT", root);
        return parse_acpi(rsdp(2, 0x1000), map_table, info);
    }
};

TEST_F(Acpi, ProcessorsAndControllersComeFromTheMadt)
{
    add_table(0x2000, "APIC", madt());
    ASSERT_TRUE(parse({0x2000}));
    ASSERT_EQ(info.processor_count, 3U);
    EXPECT_EQ(info.processors[0].apic_id, 3U);
    EXPECT_EQ(info.processors[0].acpi_id, 7U);
    EXPECT_TRUE(info.processors[0].enabled);
    EXPECT_FALSE(info.processors[1].enabled);
    EXPECT_EQ(info.processors[2].apic_id, 256U);
    EXPECT_EQ(info.processors[2].acpi_id, 5U);
    ASSERT_EQ(info.io_apic_count, 1U);
    EXPECT_EQ(info.io_apics[0].address, 0xfec00000U);
    EXPECT_EQ(info.io_apics[0].first_gsi, 24U);
    ASSERT_EQ(info.override_count, 1U);
    EXPECT_EQ(info.overrides[0].gsi, 20U);
    EXPECT_EQ(info.overrides[0].flags, 13U);
}

TEST_F(Acpi, AMadtEntryOfLengthZeroEndsTheWalk)
{
    Bytes table = madt();
    table[45] = 0;
    add_table(0x2000, "APIC", table);
    ASSERT_TRUE(parse({0x2000}));
    EXPECT_EQ(info.processor_count, 0U);
}

TEST_F(Acpi, AMadtEntryThatRunsBeyondTheTableIsNotRead)
{
    Bytes table = madt();
    table.resize(table.size() - 1);
    add_table(0x2000, "APIC", table);
    ASSERT_TRUE(parse({0x2000}));
    EXPECT_EQ(info.processor_count, 2U);
}

TEST_F(Acpi, TheFadtsExtendedAddressesGoBeforeTheOldOnes)
{
    Bytes fadt(244);
    put<u32>(fadt, 64, 0x604);
    put<u32>(fadt, 76, 0x608);
    put<u32>(fadt, 112, 1U << 8 | 1U << 10);
    put<u8>(fadt, 116, 1);
    put<u64>(fadt, 120, 0xcf9);
    put<u8>(fadt, 128, 6);
    put<u8>(fadt, 172, 1);
    put<u64>(fadt, 176, 0x1804);
    add_table(0x2000, "FACP", fadt);
    ASSERT_TRUE(parse({0x2000}));
    EXPECT_EQ(info.pm1a_control, 0x1804U);
    EXPECT_EQ(info.pm_timer_port, 0x608U);
    EXPECT_TRUE(info.pm_timer_is_32_bits);
    EXPECT_TRUE(info.has_reset);
    EXPECT_EQ(info.reset.address, 0xcf9U);
    EXPECT_EQ(info.reset_value, 6U);
}

TEST_F(Acpi, AShortFadtHasWhatItHasAndZeroesElsewhere)
{
    Bytes fadt(116); // ACPI 1.0
    put<u32>(fadt, 76, 0x408);
    add_table(0x2000, "FACP", fadt);
    ASSERT_TRUE(parse({0x2000}));
    EXPECT_EQ(info.pm_timer_port, 0x408U);
    EXPECT_EQ(info.pm1b_control, 0U);
    EXPECT_FALSE(info.has_reset);
}

TEST_F(Acpi, HpetAndConfigurationSpacesAreFound)
{
    Bytes hpet(56), mcfg(60);
    put<u64>(hpet, 44, 0xfed00000);
    put<u64>(mcfg, 44, 0xb0000000);
    put<u8>(mcfg, 55, 255);
    add_table(0x2000, "HPET", hpet);
    add_table(0x3000, "MCFG", mcfg);
    ASSERT_TRUE(parse({0x2000, 0x3000}));
    EXPECT_EQ(info.hpet_address, 0xfed00000U);
    ASSERT_EQ(info.config_space_count, 1U);
    EXPECT_EQ(info.config_spaces[0].address, 0xb0000000U);
    EXPECT_EQ(info.config_spaces[0].last_bus, 255U);
}

TEST_F(Acpi, ATableWithABadChecksumIsPassedOver)
{
    add_table(0x2000, "APIC", madt());
    memory[0x2000][50] ^= 1;
    ASSERT_TRUE(parse({0x2000}));
    EXPECT_EQ(info.processor_count, 0U);
}

TEST_F(Acpi, ATableThatCannotBeReadIsPassedOver)
{
    add_table(0x3000, "APIC", madt());
    ASSERT_TRUE(parse({0x2000, 0x3000}));
    EXPECT_EQ(info.processor_count, 3U);
}

TEST_F(Acpi, TheFirstRevisionLeadsToAnRsdt)
{
    add_table(0x2000, "APIC", madt());
    Bytes root(36);
    put<u32>(root, 36, 0x2000);
    add_table(0x1000, "RSDT", root);
    ASSERT_TRUE(parse_acpi(rsdp(0, 0x1000), map_table, info));
    EXPECT_EQ(info.processor_count, 3U);
}

TEST_F(Acpi, ABadRootIsRefused)
{
    EXPECT_FALSE(parse_acpi(rsdp(2, 0x1000), map_table, info)); // no table there
    Bytes pointer = rsdp(2, 0x1000);
    pointer[16] ^= 1;
    add_table(0x1000, "XSDT", Bytes(36));
    EXPECT_FALSE(parse_acpi(pointer, map_table, info));
    EXPECT_FALSE(parse_acpi({}, map_table, info));
}

}
