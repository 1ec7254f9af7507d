// mmuext_op, set_gdt, update_descriptor and vm_assist as a guest calls them.

#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/mm/descriptors.hpp"
#include "hypervisor/mm/entry_rules.hpp"
#include "tests/unit/paging_ops/paging_domain.hpp"

#include <gtest/gtest.h>

namespace xylem::test {
namespace {

using abi::MmuextCmd;
constexpr i64 einval = -22, eperm = -1, esrch = -3, enosys = -38, eacces = -13, efault = -14, eopnotsupp = -95;

struct MmuextOps : testing::Test {
    Session session;
    PagingDomain dom0{0, Privilege::control}, guest{1};

    /// An L4 with the guest's own tree below it, pinned.
    Mfn another_root()
    {
        const Mfn l4 = guest.page();
        const unsigned slot = abi::page_table_index(guest.window, 4);
        machine::map<u64>(l4)[slot] = machine::map<u64>(guest.l4)[slot];
        return l4;
    }
};

TEST_F(MmuextOps, PinAndUnpinGoTogether)
{
    const Mfn l1 = guest.page();
    EXPECT_EQ(guest.mmuext(MmuextCmd::unpin_table, l1.value), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::pin_l1_table, l1.value), 0);
    EXPECT_EQ(guest.mmuext(MmuextCmd::pin_l1_table, l1.value), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::pin_l2_table, l1.value), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::unpin_table, l1.value), 0);
    EXPECT_EQ(guest.mmuext(MmuextCmd::pin_l3_table, l1.value), 0);
    EXPECT_EQ(guest.mmuext(MmuextCmd::unpin_table, l1.value), 0);
    EXPECT_EQ(guest.mmuext(MmuextCmd::pin_l1_table, dom0.l1.value), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::pin_l1_table, ~u64{0}), einval);
}

TEST_F(MmuextOps, ThePrivilegedDomainPinsForOthers)
{
    const Mfn l1 = guest.page();
    EXPECT_EQ(dom0.mmuext(MmuextCmd::pin_l1_table, l1.value, 0, 1), 0);
    EXPECT_EQ(dom0.mmuext(MmuextCmd::unpin_table, l1.value, 0, 1), 0);
    EXPECT_EQ(dom0.mmuext(MmuextCmd::pin_l1_table, l1.value, 0, 77), esrch);
    EXPECT_EQ(dom0.mmuext(MmuextCmd::pin_l1_table, l1.value, 0, 0), esrch) << "itself by number";
    EXPECT_EQ(guest.mmuext(MmuextCmd::pin_l1_table, l1.value, 0, 0), eperm);
    EXPECT_EQ(dom0.mmuext(MmuextCmd::pin_l1_table, l1.value, 0, domid_io.value), einval);
}

TEST_F(MmuextOps, WhatActsOnTheCallersProcessorTakesNoOtherDomain)
{
    for (MmuextCmd command :
         {MmuextCmd::new_baseptr, MmuextCmd::new_user_baseptr, MmuextCmd::tlb_flush_local, MmuextCmd::invlpg_local,
          MmuextCmd::tlb_flush_multi, MmuextCmd::invlpg_multi, MmuextCmd::tlb_flush_all, MmuextCmd::invlpg_all,
          MmuextCmd::flush_cache, MmuextCmd::set_ldt})
        EXPECT_EQ(dom0.mmuext(command, 0, 0, 1), eperm) << static_cast<unsigned>(command);
}

TEST_F(MmuextOps, ANewKernelRootIsLoadedAndTheOldOneLetGo)
{
    const Mfn root = another_root(), old = guest.l4;
    session.machine.forget_events();
    ASSERT_EQ(guest.mmuext(MmuextCmd::new_baseptr, root.value), 0);
    EXPECT_EQ(guest.vcpu.kernel_root, address_of(root).value);
    EXPECT_EQ(session.machine.count(Event::Kind::load_root), 1u);
    EXPECT_EQ(mm::type_count(old), 0u);
    EXPECT_EQ(mm::type_count(root), 1u);
    EXPECT_EQ(machine::map<u64>(root)[256], mm::template_root[256]);
    EXPECT_EQ(guest.mmuext(MmuextCmd::new_baseptr, guest.l1.value), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::new_baseptr, dom0.l4.value), einval);
    EXPECT_EQ(guest.vcpu.kernel_root, address_of(root).value);
}

TEST_F(MmuextOps, TheUserRootMayBeNone)
{
    const Mfn root = another_root();
    EXPECT_EQ(guest.mmuext(MmuextCmd::new_user_baseptr, 0), 0);
    EXPECT_EQ(guest.mmuext(MmuextCmd::new_user_baseptr, root.value), 0);
    EXPECT_EQ(guest.vcpu.user_root, address_of(root).value);
    EXPECT_EQ(machine::map<u64>(root)[256], 0u) << "no M2P in a root that only user mode has";
    EXPECT_EQ(guest.mmuext(MmuextCmd::new_user_baseptr, root.value), 0);
    EXPECT_EQ(mm::type_count(root), 1u);
    EXPECT_EQ(guest.mmuext(MmuextCmd::new_user_baseptr, 0), 0);
    EXPECT_EQ(guest.vcpu.user_root, 0u);
    EXPECT_EQ(mm::type_count(root), 0u);
}

TEST_F(MmuextOps, WithM2pStrictAUserRootLosesTheM2p)
{
    const Mfn root = another_root();
    EXPECT_EQ(guest.call(hypercall::vm_assist, 0, 32), 0);
    ASSERT_EQ(guest.mmuext(MmuextCmd::pin_l4_table, root.value), 0);
    EXPECT_EQ(machine::map<u64>(root)[256], mm::template_root[256]);
    ASSERT_EQ(guest.mmuext(MmuextCmd::new_user_baseptr, root.value), 0);
    EXPECT_EQ(machine::map<u64>(root)[256], 0u);
    ASSERT_EQ(guest.mmuext(MmuextCmd::new_baseptr, root.value), 0);
    EXPECT_EQ(machine::map<u64>(root)[256], mm::template_root[256]);
}

TEST_F(MmuextOps, FlushesReachThoseTheyName)
{
    session.machine.set_cpu_count(4);
    guest.domain.memory.dirty_cpus = {7};
    alignas(8) u64 vcpus = 1;
    guest.vcpu.unit.cpu = CpuId(2);
    const auto targets = [&](MmuextCmd command, Event::Kind kind, u64 arg1, u64 arg2) {
        session.machine.forget_events();
        EXPECT_EQ(guest.mmuext(command, arg1, arg2), 0);
        for (const Event& event : session.machine.events())
            if (event.kind == kind)
                return event.targets.bits;
        return u64{0};
    };
    EXPECT_EQ(targets(MmuextCmd::tlb_flush_local, Event::Kind::flush, 0, 0), 1u);
    EXPECT_EQ(targets(MmuextCmd::tlb_flush_all, Event::Kind::flush, 0, 0), 7u);
    EXPECT_EQ(targets(MmuextCmd::tlb_flush_multi, Event::Kind::flush, 0, at(vcpus)), 4u);
    EXPECT_EQ(targets(MmuextCmd::invlpg_local, Event::Kind::flush_page, 0x5000, 0), 1u);
    EXPECT_EQ(targets(MmuextCmd::invlpg_all, Event::Kind::flush_page, 0x5000, 0), 7u);
    EXPECT_EQ(targets(MmuextCmd::invlpg_multi, Event::Kind::flush_page, 0x5000, at(vcpus)), 4u);
    EXPECT_EQ(targets(MmuextCmd::invlpg_all, Event::Kind::flush_page, 0xffff800000001000, 0), 0u) << "ours: nothing";
    EXPECT_EQ(guest.mmuext(MmuextCmd::tlb_flush_multi, 0, 0x10), einval) << "a mask that cannot be read";
}

TEST_F(MmuextOps, CachesAreFlushedOnlyForThoseWithDevices)
{
    EXPECT_EQ(guest.mmuext(MmuextCmd::flush_cache), eacces);
    EXPECT_EQ(guest.mmuext(MmuextCmd::flush_cache_global), einval);
    dom0.domain.memory.cache_control = true;
    EXPECT_EQ(dom0.mmuext(MmuextCmd::flush_cache), 0);
    EXPECT_EQ(session.machine.count(Event::Kind::cache_flush), 1u);
}

TEST_F(MmuextOps, PagesAreClearedAndCopiedOnlyIfTheyMayBeWritten)
{
    const Mfn from = guest.page(), to = guest.page();
    machine::map<u64>(from)[7] = 42;
    EXPECT_EQ(guest.mmuext(MmuextCmd::copy_page, to.value, from.value), 0);
    EXPECT_EQ(machine::map<u64>(to)[7], 42u);
    EXPECT_EQ(guest.mmuext(MmuextCmd::clear_page, to.value), 0);
    EXPECT_EQ(machine::map<u64>(to)[7], 0u);
    EXPECT_EQ(guest.mmuext(MmuextCmd::clear_page, guest.l1.value), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::copy_page, guest.l1.value, from.value), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::copy_page, to.value, dom0.l1.value), einval);
}

TEST_F(MmuextOps, UnknownAndAncientOperationsAreRefused)
{
    EXPECT_EQ(guest.mmuext(static_cast<MmuextCmd>(14)), enosys);
    EXPECT_EQ(guest.mmuext(static_cast<MmuextCmd>(21)), enosys);
    EXPECT_EQ(guest.mmuext(MmuextCmd::mark_super), eopnotsupp);
    EXPECT_EQ(guest.mmuext(MmuextCmd::unmark_super), eopnotsupp);
}

TEST_F(MmuextOps, AnUnpinReturnsOnlyWhenTheTreeHasLostItsTypes)
{
    const Mfn l4 = guest.page(), l3 = guest.page(), l2 = guest.page();
    machine::map<u64>(l4)[1] = entry_for(l3, table_flags);
    for (unsigned i = 0; i < 30; ++i)
        machine::map<u64>(l3)[i] = entry_for(l2, table_flags);
    session.machine.preempt_every(1);
    ASSERT_EQ(guest.mmuext(MmuextCmd::pin_l4_table, l4.value), 0);
    ASSERT_EQ(guest.mmuext(MmuextCmd::unpin_table, l4.value), 0);
    EXPECT_GT(guest.issued, 10u);
    EXPECT_EQ(mm::type_count(l2), 0u);
    // As Linux does next, in the same multicall: all of them become writable again.
    for (Mfn mfn : {l4, l3, l2})
        EXPECT_EQ(guest.mmu_update(guest.l1_entry(1), entry_for(mfn, rw)), 0);
}

TEST_F(MmuextOps, DoneCountsThoseBeforeTheFailure)
{
    abi::MmuextOp ops[3]{};
    ops[0].cmd = MmuextCmd::tlb_flush_local;
    ops[1].cmd = MmuextCmd::tlb_flush_all;
    ops[2].cmd = static_cast<MmuextCmd>(99);
    u32 done = 0;
    EXPECT_EQ(guest.call(hypercall::mmuext_op, at(ops[0]), 3, at(done), domid_self.value), enosys);
    EXPECT_EQ(done, 2u);
    EXPECT_EQ(guest.call(hypercall::mmuext_op, 0x1000, 1, 0, domid_self.value), efault);
}

// ---- Descriptor tables

struct Descriptors : MmuextOps {
    static constexpr u64 code = 0x00affb000000ffff;
    Mfn descriptor_page()
    {
        const Mfn page = guest.page();
        machine::map<u64>(page)[1] = code & ~(u64{0x6000} << 32); // asked for at ring 0
        return page;
    }
    i64 set_gdt(u64 frame, u64 entries)
    {
        u64 frames[16] = {frame, frame};
        return guest.call(hypercall::set_gdt, at(frames[0]), entries);
    }
};

TEST_F(Descriptors, AGdtAppearsInTheWindowAndIsNoLongerWritable)
{
    const Mfn page = descriptor_page();
    ASSERT_EQ(set_gdt(page.value, 512), 0);
    EXPECT_EQ(mm::target_of(guest.vcpu.window[0]), page);
    EXPECT_FALSE(guest.vcpu.window[0] & pte::user);
    EXPECT_EQ(machine::map<u64>(page)[1], code);
    EXPECT_NE(guest.mmu_update(guest.l1_entry(0), entry_for(page, rw)), 0);
    EXPECT_EQ(mm::target_of(guest.vcpu.window[14]), guest.shared_gdt);
    ASSERT_EQ(set_gdt(0, 0), 0);
    EXPECT_EQ(mm::target_of(guest.vcpu.window[0]), mm::zero_frame());
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(0), entry_for(page, rw)), 0);
}

TEST_F(Descriptors, ABadGdtChangesNothing)
{
    const Mfn page = descriptor_page();
    ASSERT_EQ(set_gdt(page.value, 100), 0);
    EXPECT_EQ(set_gdt(page.value, 7169), einval);
    EXPECT_EQ(set_gdt(guest.l1.value, 100), einval);
    EXPECT_EQ(set_gdt(dom0.page().value, 100), einval);
    EXPECT_EQ(guest.call(hypercall::set_gdt, 0x100, 100), efault);
    EXPECT_EQ(guest.vcpu.gdt_entries, 100u);
    EXPECT_EQ(mm::target_of(guest.vcpu.window[0]), page);
    EXPECT_EQ(mm::type_count(page), 1u);
}

TEST_F(Descriptors, OneDescriptorIsStoredInPlainAndDescriptorPagesOnly)
{
    const Mfn page = descriptor_page();
    const auto update = [&](MachineAddress where, u64 value) {
        return guest.call(hypercall::update_descriptor, where.value, value);
    };
    EXPECT_EQ(update(entry_address(page, 2), code & ~(u64{0x6000} << 32)), 0);
    EXPECT_EQ(machine::map<u64>(page)[2], code);
    ASSERT_EQ(set_gdt(page.value, 512), 0);
    EXPECT_EQ(update(entry_address(page, 3), code), 0);
    EXPECT_EQ(machine::map<u64>(page)[3], code);
    EXPECT_EQ(update(entry_address(page, 3), u64{0x8900} << 32), einval) << "a TSS";
    EXPECT_EQ(update(entry_address(page, 3) + 4, code), einval);
    EXPECT_EQ(update(entry_address(guest.l1, 3), code), einval);
    EXPECT_EQ(update(entry_address(dom0.page(), 3), code), einval);
}

TEST_F(Descriptors, AnLdtPageComesAtItsFirstUseAndGoesWithTheRoot)
{
    const Mfn page = descriptor_page();
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(8), entry_for(page, ro)), 0);
    EXPECT_EQ(guest.mmuext(MmuextCmd::set_ldt, guest.address(8) + 8, 1), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::set_ldt, guest.address(8), 8193), einval);
    EXPECT_EQ(guest.mmuext(MmuextCmd::set_ldt, 0xffff800000000000, 10), einval);
    ASSERT_EQ(guest.mmuext(MmuextCmd::set_ldt, guest.address(8), 600), 0);
    EXPECT_EQ(session.machine.count(Event::Kind::load_ldt), 1u);

    EXPECT_FALSE(mm::map_ldt_page(guest.vcpu, 2)) << "beyond its end";
    EXPECT_FALSE(mm::map_ldt_page(guest.vcpu, 1)) << "not mapped by the guest";
    ASSERT_TRUE(mm::map_ldt_page(guest.vcpu, 0));
    EXPECT_EQ(mm::target_of(guest.vcpu.window[16]), page);
    EXPECT_EQ(mm::page_type(page), mm::PageType::segment_descriptors);
    EXPECT_NE(guest.mmu_update(guest.l1_entry(8), entry_for(page, rw)), 0);

    ASSERT_EQ(guest.mmuext(MmuextCmd::new_baseptr, another_root().value), 0);
    EXPECT_EQ(guest.vcpu.window[16], 0u);
    EXPECT_EQ(guest.mmu_update(guest.l1_entry(8), entry_for(page, rw)), 0);
}

TEST_F(Descriptors, AnLdtPageThatIsWritableIsNotMapped)
{
    const Mfn page = descriptor_page();
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(8), entry_for(page, rw)), 0);
    ASSERT_EQ(guest.mmuext(MmuextCmd::set_ldt, guest.address(8), 10), 0);
    EXPECT_FALSE(mm::map_ldt_page(guest.vcpu, 0));
}

TEST_F(MmuextOps, AssistsAreKnownOrRefused)
{
    for (u64 type : {0, 1, 2, 3, 4, 5, 32}) {
        EXPECT_EQ(guest.call(hypercall::vm_assist, 0, type), 0);
        EXPECT_TRUE(guest.domain.vm_assist >> type & 1);
        EXPECT_EQ(guest.call(hypercall::vm_assist, 1, type), 0);
    }
    EXPECT_EQ(guest.domain.vm_assist, 0u);
    for (u64 type : {6, 31, 33, 63, 64, 1000})
        EXPECT_EQ(guest.call(hypercall::vm_assist, 0, type), einval);
    EXPECT_EQ(guest.call(hypercall::vm_assist, 2, 0), enosys);
}

}
}
