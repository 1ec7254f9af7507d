// Register numbers of the local APIC's two faces, messages of devices, the table of vectors.

#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/msi.hpp"
#include "hypervisor/arch/x86_64/vectors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <vector>

using namespace xylem;
using namespace xylem::arch;

namespace {

std::map<u32, u64> msrs;

}

namespace xylem::arch {

u64 apic_msr_read(u32 msr)
{
    return msrs[msr];
}
void apic_msr_write(u32 msr, u64 value)
{
    msrs[msr] = value;
}

}

namespace {

TEST(X2Apic, RegistersAreMsrsFrom0x800OnInStepsOfOne)
{
    msrs = {{0x802, 0x12345}};
    EXPECT_EQ(x2apic_access.read(ApicRegister::id), 0x12345U);
    x2apic_access.write(ApicRegister::spurious, 0x1ff);
    x2apic_access.write(ApicRegister::initial_count, 1000);
    x2apic_access.write(ApicRegister::eoi, 0);
    EXPECT_EQ(msrs[0x80f], 0x1ffU);
    EXPECT_EQ(msrs[0x838], 1000U);
    EXPECT_TRUE(msrs.contains(0x80b));
}

TEST(X2Apic, ACommandIsOneWriteWithTheWholeIdentityAbove)
{
    msrs.clear();
    x2apic_access.command(0x12345678, 0x40fa);
    EXPECT_EQ(msrs, (std::map<u32, u64>{{0x830, 0x12345678000040fa}}));
    EXPECT_EQ(x2apic_access.id_shift, 0U);
}

TEST(XApic, RegistersLie16BytesApart)
{
    std::vector<u32> page(1024);
    xapic_registers = reinterpret_cast<volatile u8*>(page.data());
    page[0x20 / 4] = 3U << 24;
    EXPECT_EQ(xapic_access.read(ApicRegister::id) >> xapic_access.id_shift, 3U);
    xapic_access.write(ApicRegister::timer, 0xf9);
    EXPECT_EQ(page[0x320 / 4], 0xf9U);
}

TEST(XApic, ACommandWritesTheDestinationFirstInTheTopByte)
{
    std::vector<u32> page(1024);
    xapic_registers = reinterpret_cast<volatile u8*>(page.data());
    xapic_access.command(7, 0x40fa);
    EXPECT_EQ(page[0x310 / 4], 7U << 24);
    EXPECT_EQ(page[0x300 / 4], 0x40faU);
}

TEST(Messages, AddressNamesTheProcessorAndDataTheVector)
{
    EXPECT_EQ(compose_message(0, 0x31), (MsiMessage{0xfee00000, 0x31}));
    EXPECT_EQ(compose_message(5, 0xd0), (MsiMessage{0xfee05000, 0xd0}));
}

TEST(Vectors, EachIsGivenOnceAndNeverTheOneThatGuestsRaise)
{
    VectorTable table;
    std::set<u8> given;
    u16 irq = 0;
    for (u8 vector; (vector = table.take(irq, 1)) != 0; ++irq) {
        EXPECT_TRUE(given.insert(vector).second);
        EXPECT_GE(vector, first_device_vector);
        EXPECT_LE(vector, last_device_vector);
        EXPECT_EQ(table.irq_of(vector), irq);
    }
    EXPECT_FALSE(given.contains(0x80));
    EXPECT_EQ(given.size(), last_device_vector - first_device_vector + 0U); // all but 0x80
}

TEST(Vectors, ARunIsAlignedAndComesBack)
{
    VectorTable table;
    EXPECT_EQ(table.take(0, 1), 0x30);
    const u8 first = table.take(10, 32);
    EXPECT_EQ(first, 0x40);
    EXPECT_EQ(table.irq_of(0x5f), 41);
    for (unsigned i = 0; i < 32; ++i)
        table.give_back(static_cast<u8>(first + i));
    EXPECT_EQ(table.irq_of(0x40), VectorTable::nothing);
    EXPECT_EQ(table.take(20, 32), first);
}

}
