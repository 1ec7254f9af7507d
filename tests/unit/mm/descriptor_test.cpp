// Descriptors of a guest, and pages of them. (docs/pv-abi.md 1.4)

#include "hypervisor/mm/descriptor.hpp"
#include "tests/support/fake_guest.hpp"
#include "tests/support/fake_machine.hpp"

#include <gtest/gtest.h>
#include <optional>

namespace xylem::test {
namespace {

constexpr u64 make(u32 low, u32 high)
{
    return u64{high} << 32 | low;
}
constexpr u32 present = 0x8000, segment = 0x1000, dpl3 = 0x6000, call_gate = 0xc00;

std::optional<u64> checked(u64 descriptor)
{
    if (!mm::check_descriptor(descriptor))
        return std::nullopt;
    return descriptor;
}

TEST(Descriptors, WhatIsNotPresentIsLeftAlone)
{
    EXPECT_EQ(checked(0), 0u);
    EXPECT_EQ(checked(make(0x12345678, 0xffff7fff)), make(0x12345678, 0xffff7fff));
}

TEST(Descriptors, CodeAndDataBecomeRingThree)
{
    EXPECT_EQ(checked(make(0xffff, present | segment | 0xb00)), make(0xffff, present | segment | 0xb00 | dpl3));
    EXPECT_EQ(checked(make(0xffff, present | segment | 0x300 | 0x2000)),
              make(0xffff, present | segment | 0x300 | dpl3));
}

TEST(Descriptors, TheSecondHalfOfACallGateIsLeftAlone)
{
    EXPECT_EQ(checked(make(0xffffffff, present)), make(0xffffffff, present));
}

TEST(Descriptors, SystemDescriptorsAreRefused)
{
    for (u32 type = 1; type < 16; ++type)
        if (type != 12) {
            EXPECT_EQ(checked(make(0, present | type << 8)), std::nullopt) << type;
            EXPECT_EQ(checked(make(0, present | dpl3 | type << 8)), std::nullopt) << type;
        }
}

TEST(Descriptors, ACallGateKeepsItsPrivilegeInTheSelectorAndAlwaysFaults)
{
    EXPECT_EQ(checked(make(0xe0331234, 0xabcd0000 | present | dpl3 | call_gate)),
              make(0xe0331234, 0xabcd0000 | present | call_gate));
    EXPECT_EQ(checked(make(0x00081234, present | call_gate)), make(0x000b1234, present | call_gate))
        << "a guest selector";
    EXPECT_EQ(checked(make(0x00040000, present | call_gate)), make(0x00070000, present | call_gate))
        << "an LDT selector";
}

TEST(Descriptors, ACallGateIntoTheHypervisorIsRefused)
{
    EXPECT_EQ(checked(make(0xe0080000, present | call_gate)), std::nullopt);
    EXPECT_EQ(checked(make(0xe0300000, present | call_gate)), std::nullopt);
    EXPECT_EQ(checked(make(0xe0330000, present | call_gate | 1)), std::nullopt) << "reserved bits";
}

struct DescriptorPages : testing::Test {
    Session session;
    FakeGuest guest;
};

TEST_F(DescriptorPages, APageWithABadDescriptorIsRefusedWherever)
{
    const Mfn page = guest.page();
    for (unsigned at : {0u, 100u, 511u}) {
        guest.store(page, at, make(0, present | 0x900)); // a TSS
        EXPECT_FALSE(mm::get_page_and_type(page, guest.owner.id, mm::PageType::segment_descriptors).ok());
        guest.store(page, at, 0);
    }
    EXPECT_EQ(mm::type_count(page), 0u);
    EXPECT_EQ(mm::reference_count(page), 1u);
}

TEST_F(DescriptorPages, APageInUseCannotBeMappedWritable)
{
    const auto t = guest.tree();
    ASSERT_TRUE(guest.pin(t.l4, mm::PageType::l4).ok());
    const Mfn page = guest.page();
    guest.store(page, 3, make(0xffff, present | segment | 0xb00));
    {
        const mm::TypeRef gdt = mm::get_page_and_type(page, guest.owner.id, mm::PageType::segment_descriptors).take();
        EXPECT_EQ(guest.entry(page, 3), make(0xffff, present | segment | 0xb00 | dpl3));
        EXPECT_EQ(guest.update(t.l1, 0, entry_for(page, rw)), Error::Busy);
        EXPECT_TRUE(guest.update(t.l1, 0, entry_for(page, ro)).ok());
    }
    EXPECT_TRUE(guest.update(t.l1, 0, entry_for(page, rw)).ok());
}

}
}
