// mmu_update and update_va_mapping as a guest calls them: commands, owners, errors, counts, continuations.

#include "hypervisor/abi/mmu.hpp"
#include "tests/unit/paging_ops/paging_domain.hpp"

#include <gtest/gtest.h>
#include <vector>

namespace xylem::test {
namespace {

constexpr i64 einval = -22, eperm = -1, esrch = -3, enosys = -38, efault = -14, ebusy = -16;
constexpr u64 machphys = 1, preserve = 2, no_translate = 3;
constexpr u64 hypervisors_own = 0xffff828000000000;

struct MmuUpdates : testing::Test {
    Session session;
    PagingDomain dom0{0, Privilege::control}, guest{1};
};

TEST_F(MmuUpdates, OneEntryIsWritten)
{
    const Mfn page = guest.page();
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, rw)), 0);
    EXPECT_EQ(guest.pte(3), entry_for(page, rw | pte::global));
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), 0, no_translate), 0);
    EXPECT_EQ(guest.pte(3), 0u);
}

TEST_F(MmuUpdates, AccessedAndDirtyArePreservedOnDemand)
{
    const Mfn page = guest.page();
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, rw)), 0);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, pte::present | pte::user), preserve), 0);
    EXPECT_EQ(guest.pte(3), entry_for(page, ro | pte::global));
}

TEST_F(MmuUpdates, MachphysNotesTheGuestsNumberOfItsOwnFrame)
{
    const Mfn page = guest.page();
    EXPECT_EQ(guest.mmu_update(address_of(page), 1234, machphys), 0);
    EXPECT_EQ(mm::m2p[page.value], 1234u);
    EXPECT_EQ(guest.mmu_update(address_of(dom0.page()), 1, machphys), einval);
    EXPECT_EQ(dom0.mmu_update(address_of(page), 1, machphys, (2U << 16) | domid_self.value), eperm)
        << "for other tables";
}

TEST_F(MmuUpdates, AnUnknownCommandIsNotImplemented)
{
    for (u64 command = 4; command < 8; ++command)
        EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), 0, command), enosys);
}

TEST_F(MmuUpdates, ForeignOwnersAreCheckedAsTheAbiHasIt)
{
    const Mfn page = guest.page();
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, rw), 0, 1), esrch) << "itself by number";
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, rw), 0, 77), esrch);
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, rw), 0, 0), eperm);
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, rw), 0, domid_xen.value), eperm);
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), entry_for(page, rw), 0, (1U << 16) | domid_self.value), eperm);
    EXPECT_EQ(dom0.mmu_update(dom0.l1_entry(3), entry_for(page, rw), 0, 1), 0);
    EXPECT_EQ(dom0.mmu_update(dom0.l1_entry(4), entry_for(page, rw)), ebusy);
    EXPECT_EQ(dom0.mmu_update(dom0.l1_entry(3), 0), 0);
    EXPECT_EQ(dom0.mmu_update(entry_address(guest.l1, 0), 0), einval) << "a table of another";
    EXPECT_EQ(dom0.mmu_update(guest.l1_entry(9), entry_for(page, rw), 0, (2U << 16) | 1), 0) << "in the other's tables";
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(9), 0), 0);
}

TEST_F(MmuUpdates, IoMemoryNeedsPermissionWhoeverIsNamed)
{
    const u64 io = entry_for(FakeMachine::io_frame, rw);
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), io), eperm);
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), io, 0, domid_io.value), eperm);
    ASSERT_TRUE(guest.domain.memory.io_memory.add(FakeMachine::io_frame.value, FakeMachine::io_frame.value).ok());
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(3), io, 0, domid_io.value), 0);
}

TEST_F(MmuUpdates, TheCountOfThoseDoneIsExactWhereAnEntryFails)
{
    const Mfn pages[] = {guest.page(), guest.page(), guest.page()};
    std::vector<abi::MmuUpdate> list;
    for (unsigned i = 0; i < 3; ++i)
        list.push_back({guest.l1_entry(i).value, entry_for(pages[i], rw)});
    list.push_back({guest.l1_entry(3).value, entry_for(guest.l1, rw)});
    list.push_back({guest.l1_entry(4).value, entry_for(pages[0], ro)});
    u32 done = 99;
    EXPECT_EQ(guest.call(hypercall::mmu_update, at(list[0]), list.size(), at(done), domid_self.value), ebusy);
    EXPECT_EQ(done, 3u);
    EXPECT_EQ(guest.pte(4), 0u);
}

TEST_F(MmuUpdates, OneEntryComesToTheSameWithACountAndWithout)
{
    const Mfn page = guest.page();
    const u64 values[] = {entry_for(page, rw), entry_for(page, ro), entry_for(guest.l1, rw), 0,
                          entry_for(dom0.page(), ro)};
    for (const u64 value : values)
        for (const u64 command : {u64{0}, preserve, no_translate, u64{7}}) {
            abi::MmuUpdate with{guest.l1_entry(3).value | command, value};
            abi::MmuUpdate without{guest.l1_entry(4).value | command, value};
            u32 done = 99;
            const i64 result = guest.call(hypercall::mmu_update, at(with), 1, at(done), domid_self.value);
            EXPECT_EQ(guest.call(hypercall::mmu_update, at(without), 1, 0, domid_self.value), result)
                << std::hex << value << " by command " << command;
            EXPECT_EQ(done, result == 0 ? 1u : 0u);
            EXPECT_EQ(guest.pte(4), guest.pte(3));
        }
    EXPECT_EQ(guest.call(hypercall::mmu_update, hypervisors_own, 1, 0, domid_self.value), efault);
}

TEST_F(MmuUpdates, ALongListIsContinuedAndCountedOnce)
{
    const Mfn page = guest.page();
    std::vector<abi::MmuUpdate> list;
    for (unsigned i = 0; i < 100; ++i)
        list.push_back({guest.l1_entry(i).value, entry_for(page, rw)});
    u32 done = 0;
    session.machine.preempt_every(7);
    EXPECT_EQ(guest.call(hypercall::mmu_update, at(list[0]), list.size(), at(done), domid_self.value), 0);
    EXPECT_EQ(done, 100u);
    EXPECT_GT(guest.issued, 10u);
    EXPECT_EQ(mm::type_count(page), 100u);
}

TEST_F(MmuUpdates, AHeavyTableUpdateIsContinuedUntilNothingIsLeft)
{
    const Mfn l3 = guest.page(), l2 = guest.page(), l1 = guest.page();
    for (unsigned i = 0; i < 50; ++i)
        machine::map<u64>(l2)[i] = entry_for(l1, table_flags);
    for (unsigned i = 0; i < 10; ++i)
        machine::map<u64>(l3)[i] = entry_for(l2, table_flags);
    session.machine.preempt_every(1);
    ASSERT_EQ(guest.mmu_update(entry_address(guest.l4, 5), entry_for(l3, table_flags)), 0);
    EXPECT_GT(guest.issued, 40u);
    EXPECT_EQ(mm::type_count(l1), 50u);
    ASSERT_EQ(guest.mmu_update(entry_address(guest.l4, 5), 0), 0);
    EXPECT_GT(guest.issued, 40u);
    EXPECT_EQ(mm::type_count(l1), 0u) << "the call returns only when all is invalidated";
}

TEST_F(MmuUpdates, AHeavyUpdateThatFailsKeepsItsErrorThroughItsContinuations)
{
    const Mfn l3 = guest.page(), l2 = guest.page(), l1 = guest.page();
    for (unsigned i = 0; i < 20; ++i)
        machine::map<u64>(l2)[i] = entry_for(l1, table_flags);
    machine::map<u64>(l3)[0] = entry_for(l2, table_flags);
    machine::map<u64>(l3)[1] = entry_for(l2, table_flags | pte::page_size);
    session.machine.preempt_every(1);
    EXPECT_EQ(guest.mmu_update(entry_address(guest.l4, 5), entry_for(l3, table_flags)), einval);
    EXPECT_EQ(mm::type_count(l2), 0u);
    EXPECT_EQ(mm::type_count(l1), 0u);
}

TEST_F(MmuUpdates, ALiveDirectorysChangeFlushesBeforeTheCallReturns)
{
    const Mfn fresh = guest.page();
    ASSERT_EQ(guest.mmu_update(entry_address(guest.l4, 9), 0), 0);
    session.machine.forget_events();
    const u64 l4_entry = machine::map<u64>(guest.l4)[abi::page_table_index(guest.window, 4)];
    const Mfn l3(mfn_of(MachineAddress(l4_entry & pte::frame_mask)));
    const Mfn fresh_l2 = fresh;
    ASSERT_EQ(guest.mmu_update(entry_address(l3, 300), entry_for(fresh_l2, table_flags)), 0);
    EXPECT_EQ(session.machine.count(Event::Kind::flush), 0u) << "nothing was there";
    ASSERT_EQ(guest.mmu_update(entry_address(l3, 300), 0), 0);
    EXPECT_GE(session.machine.count(Event::Kind::flush), 1u);
}

// ---- update_va_mapping

struct VaMappings : MmuUpdates {
    i64 update(u64 address, u64 value, u64 flags = 0)
    {
        return guest.call(hypercall::update_va_mapping, address, value, flags);
    }
};

TEST_F(VaMappings, TheEntryIsFoundByTheLiveTables)
{
    const Mfn page = guest.page();
    EXPECT_EQ(update(guest.address(5), entry_for(page, rw)), 0);
    EXPECT_EQ(guest.pte(5), entry_for(page, rw | pte::global));
    EXPECT_EQ(update(0x1000, 0), einval) << "no L1 table there";
    EXPECT_EQ(update(0xffff800000000000, 0), einval) << "the hypervisor's";
    EXPECT_EQ(update(0x0000900000000000, 0), einval) << "no address";
}

TEST_F(VaMappings, TheFlushIsTheOneAskedFor)
{
    session.machine.set_cpu_count(2);
    guest.domain.memory.dirty_cpus = {3};
    const auto flushed = [&](u64 flags, Event::Kind kind) {
        session.machine.forget_events();
        EXPECT_EQ(update(guest.address(5), 0, flags), 0);
        for (const Event& event : session.machine.events())
            if (event.kind == kind)
                return event.targets.bits;
        return u64{0};
    };
    EXPECT_EQ(flushed(0, Event::Kind::flush), 0u);
    EXPECT_EQ(flushed(abi::uvmf_tlb_flush, Event::Kind::flush), 1u);
    EXPECT_EQ(flushed(abi::uvmf_invlpg, Event::Kind::flush_page), 1u);
    EXPECT_EQ(flushed(abi::uvmf_tlb_flush | abi::uvmf_all, Event::Kind::flush), 3u);
    EXPECT_EQ(flushed(abi::uvmf_invlpg | abi::uvmf_all, Event::Kind::flush_page), 3u);
    alignas(8) u64 vcpus = 1;
    guest.vcpu.unit.cpu = CpuId(1);
    EXPECT_EQ(flushed(abi::uvmf_invlpg | at(vcpus), Event::Kind::flush_page), 2u);
    EXPECT_EQ(update(guest.address(5), 0, abi::uvmf_invlpg | 0x1000), efault) << "a bitmap that cannot be read";
}

TEST_F(VaMappings, NothingIsFlushedIfTheUpdateFails)
{
    EXPECT_EQ(update(guest.address(5), entry_for(guest.l1, rw), abi::uvmf_tlb_flush | abi::uvmf_all), ebusy);
    EXPECT_EQ(session.machine.count(Event::Kind::flush), 0u);
}

TEST_F(VaMappings, ForAnotherDomainItNeedsPrivilege)
{
    const Mfn page = guest.page();
    const auto other = hypercall::update_va_mapping_otherdomain;
    EXPECT_EQ(dom0.call(other, dom0.address(5), entry_for(page, rw), 0, 1), 0);
    EXPECT_EQ(dom0.call(other, dom0.address(5), 0, 0, 1), 0);
    EXPECT_EQ(dom0.call(other, dom0.address(5), 0, 0, 77), esrch);
    EXPECT_EQ(guest.call(other, guest.address(5), 0, 0, 0), eperm);
}

}
}
