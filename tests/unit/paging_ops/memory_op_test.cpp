// memory_op as a guest calls it.

#include "hypervisor/mm/host_memory.hpp"
#include "tests/unit/paging_ops/paging_domain.hpp"

#include <array>
#include <gtest/gtest.h>
#include <vector>

namespace xylem::test {
namespace {

using abi::MemoryCmd;
constexpr i64 einval = -22, eperm = -1, esrch = -3, enosys = -38, eacces = -13, efault = -14, enomem = -12,
              eopnotsupp = -95;

struct MemoryOps : testing::Test {
    Session session;
    PagingDomain dom0{0, Privilege::control}, guest{1};

    static abi::MemoryReservation reservation(std::vector<u64>& list, u32 order = 0, u32 flags = 0,
                                              u16 domid = domid_self.value)
    {
        return {{list.empty() ? 0 : at(list[0])}, list.size(), order, flags, domid};
    }
    i64 reserve(PagingDomain& caller, MemoryCmd command, abi::MemoryReservation r)
    {
        return caller.memory_op(command, at(r));
    }
};

TEST_F(MemoryOps, PopulatingGivesFramesAndTheirNumbers)
{
    std::vector<u64> list = {100, 200, 300};
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list)), 3);
    EXPECT_EQ(mm::m2p[list[1]], 200u);
    EXPECT_EQ(mm::frame(Mfn(list[2])).owner, guest.domain.id);
    EXPECT_EQ(reserve(guest, MemoryCmd::decrease_reservation, reservation(list)), 3);
    EXPECT_EQ(mm::m2p[list[1]], mm::invalid_m2p);
    EXPECT_EQ(mm::reference_count(Mfn(list[0])), 0u);
}

TEST_F(MemoryOps, LargeExtentsAreContiguousAndKeepTheirLimits)
{
    std::vector<u64> list = {64};
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list, 9, 32)), 1);
    EXPECT_LT(list[0] + 512, u64{1} << 20);
    EXPECT_EQ(mm::m2p[list[0] + 511], 64u + 511);
    EXPECT_EQ(reserve(guest, MemoryCmd::decrease_reservation, reservation(list, 9)), 1);
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list, 10)), 0) << "too large for a guest";
    EXPECT_EQ(reserve(guest, MemoryCmd::increase_reservation, reservation(list, 0, 12)), 0) << "no such address";
}

TEST_F(MemoryOps, ReservationsAnswerWithCountsAndNeverWithErrors)
{
    std::vector<u64> list = {1, 2, 3};
    EXPECT_EQ(guest.memory_op(MemoryCmd::populate_physmap, 0x100), 0) << "unreadable";
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list, 0, 0, 77)), 0);
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list, 0, 0, 0)), 0) << "no privilege";
    guest.domain.memory.max_pages = guest.domain.memory.total_pages + 2;
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list)), 2);
    std::vector<u64> mixed = {list[0], dom0.page().value, list[1]};
    EXPECT_EQ(reserve(guest, MemoryCmd::decrease_reservation, reservation(mixed)), 1);
    EXPECT_EQ(reserve(guest, MemoryCmd::decrease_reservation, reservation(mixed)), 0) << "given back before";
    abi::MemoryReservation huge = reservation(list);
    huge.nr_extents = u64{1} << 26;
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, huge), 0);
}

TEST_F(MemoryOps, IncreasingNeedsNoListAndLeavesTheM2p)
{
    abi::MemoryReservation r{{0}, 5, 0, 0, domid_self.value};
    const u64 before = guest.domain.memory.total_pages;
    EXPECT_EQ(reserve(guest, MemoryCmd::increase_reservation, r), 5);
    EXPECT_EQ(guest.domain.memory.total_pages, before + 5);
    EXPECT_EQ(reserve(dom0, MemoryCmd::increase_reservation, {{0}, 2, 0, 0, 1}), 2) << "for another";
    EXPECT_EQ(guest.domain.memory.total_pages, before + 7);
}

TEST_F(MemoryOps, AMappedFrameThatIsGivenBackLivesUntilItIsUnmapped)
{
    std::vector<u64> list = {5};
    ASSERT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list)), 1);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(0), entry_for(Mfn(list[0]), rw)), 0);
    EXPECT_EQ(reserve(guest, MemoryCmd::decrease_reservation, reservation(list)), 1);
    EXPECT_EQ(mm::reference_count(Mfn(list[0])), 1u);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(0), 0), 0);
    EXPECT_EQ(mm::reference_count(Mfn(list[0])), 0u);
}

TEST_F(MemoryOps, ALongReservationIsContinuedWithoutLosingItsPlace)
{
    std::vector<u64> list(100);
    for (unsigned i = 0; i < 100; ++i)
        list[i] = 1000 + i;
    session.machine.preempt_every(3);
    EXPECT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(list)), 100);
    EXPECT_GT(guest.issued, 20u);
    for (unsigned i = 0; i < 100; ++i)
        EXPECT_EQ(mm::m2p[list[i]], 1000 + i);
    EXPECT_EQ(reserve(guest, MemoryCmd::decrease_reservation, reservation(list)), 100);
}

// ---- Exchange

struct Exchanges : MemoryOps {
    std::vector<u64> in, out;
    abi::MemoryExchange request{};

    void ask(u32 in_order, u32 out_order, u32 bits = 0)
    {
        request = {reservation(in, in_order), reservation(out, out_order, bits), 0};
    }
    void populate(unsigned count)
    {
        in.assign(count, 0);
        for (unsigned i = 0; i < count; ++i)
            in[i] = i;
        ASSERT_EQ(reserve(guest, MemoryCmd::populate_physmap, reservation(in)), count);
    }
    i64 exchange() { return guest.memory_op(MemoryCmd::exchange, at(request)); }
};

TEST_F(Exchanges, SinglePagesBecomeAContiguousRunInLowMemory)
{
    populate(64);
    out = {500};
    ask(0, 6, 24);
    ASSERT_EQ(exchange(), 0);
    EXPECT_EQ(request.nr_exchanged, 64u);
    EXPECT_LE(out[0] + 64, u64{1} << 12);
    EXPECT_EQ(mm::m2p[out[0] + 63], 563u);
    EXPECT_EQ(mm::reference_count(Mfn(in[0])), 0u);
    EXPECT_EQ(exchange(), 0) << "all of it has been exchanged";

    in = out;
    out.assign(64, 0);
    for (unsigned i = 0; i < 64; ++i)
        out[i] = 700 + i;
    ask(6, 0);
    ASSERT_EQ(exchange(), 0);
    EXPECT_EQ(mm::m2p[out[63]], 763u);
}

TEST_F(Exchanges, AMappedFrameStopsItWithEverythingKept)
{
    populate(8);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(0), entry_for(Mfn(in[5]), ro)), 0);
    out = {9};
    ask(0, 3);
    const u64 total = guest.domain.memory.total_pages;
    EXPECT_EQ(exchange(), einval);
    EXPECT_EQ(request.nr_exchanged, 0u);
    EXPECT_EQ(guest.domain.memory.total_pages, total);
    for (u64 mfn : in)
        EXPECT_EQ(mm::frame(Mfn(mfn)).owner, guest.domain.id);
    EXPECT_EQ(mm::m2p[in[3]], 3u);
}

// A frame that comes back from a failed exchange has no type any more that would tell of its former writable mapping: a
// processor that has not flushed since could write it as a page table.
TEST_F(Exchanges, AFrameThatComesBackIsInNoProcessorsTranslations)
{
    populate(2);
    const Mfn page(in[0]);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(0), entry_for(page, rw)), 0);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(0), 0), 0);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(1), entry_for(Mfn(in[1]), ro)), 0) << "this one cannot be taken";
    ASSERT_TRUE(session.machine.may_be_written_through_tlb(page));
    out = {9};
    ask(0, 1);
    ASSERT_EQ(exchange(), einval);

    ASSERT_EQ(guest.mmuext(abi::MmuextCmd::pin_l1_table, page.value), 0);

    EXPECT_FALSE(session.machine.may_be_written_through_tlb(page));
    ASSERT_EQ(guest.mmuext(abi::MmuextCmd::unpin_table, page.value), 0);
}

// Preempted between steps, a call goes on with what it has.
TEST_F(Exchanges, APreemptedChunkIsGoneOnWith)
{
    populate(512);
    out = {600};
    ask(0, 9);
    const u64 total = guest.domain.memory.total_pages, free = mm::free_frame_count();
    session.machine.preempt_every(1);
    ASSERT_EQ(exchange(), 0);
    EXPECT_GT(guest.issued, 100u);
    EXPECT_EQ(mm::m2p[out[0] + 511], 600u + 511);
    EXPECT_EQ(guest.domain.memory.total_pages, total);
    EXPECT_EQ(mm::free_frame_count(), free);

    in = out;
    out.assign(512, 0);
    ask(9, 0);
    ASSERT_EQ(exchange(), 0);
    EXPECT_GT(guest.issued, 100u);
    EXPECT_EQ(mm::reference_count(Mfn(in[0])), 0u);
    EXPECT_EQ(guest.domain.memory.total_pages, total);
    EXPECT_EQ(mm::free_frame_count(), free);
}

TEST_F(Exchanges, APreemptedChunkThatCannotBeDoneIsUndoneInSteps)
{
    populate(512);
    ASSERT_EQ(guest.mmu_update(guest.l1_entry(0), entry_for(Mfn(in[511]), ro)), 0) << "this one cannot be taken";
    out = {600};
    ask(0, 9);
    const u64 total = guest.domain.memory.total_pages, free = mm::free_frame_count();
    session.machine.preempt_every(1);
    EXPECT_EQ(exchange(), einval);
    EXPECT_EQ(request.nr_exchanged, 0u);
    EXPECT_GT(guest.issued, 100u);
    for (u64 mfn : in)
        ASSERT_EQ(mm::frame(Mfn(mfn)).owner, guest.domain.id);
    EXPECT_EQ(guest.domain.memory.total_pages, total);
    EXPECT_EQ(mm::free_frame_count(), free);
}

/// Calls for a run of sixteen frames that are preempted as soon as may be.
struct LeftExchanges : Exchanges {
    u64 total = 0, free = 0; ///< as they were before

    void SetUp() override { session.machine.preempt_every(1); }
    /// Makes so many. @return whether it is not over
    bool leave_after(unsigned calls)
    {
        populate(16);
        out = {600};
        ask(0, 4);
        total = guest.domain.memory.total_pages;
        free = mm::free_frame_count();
        for (unsigned i = 0; i < calls; ++i) {
            Arguments args{{static_cast<u64>(MemoryCmd::exchange), at(request)}};
            if (hypercall::memory_op(guest.vcpu, args) != hypercall::preempted)
                return false;
        }
        return true;
    }
};

// Left at each step in turn: with another call the domain has its frames again, or has got all the new ones.
TEST_F(LeftExchanges, AnotherCallAbandonsThem)
{
    unsigned calls = 1;
    for (; leave_after(calls); ++calls) {
        EXPECT_TRUE(guest.domain.exchange.is_under_way());
        in = {in[0]};
        out = {7};
        ask(0, 0);
        (void)exchange(); // whether the frame is still its own depends on how far the other one came
        EXPECT_FALSE(guest.domain.exchange.is_under_way());
        EXPECT_EQ(guest.domain.memory.total_pages, total) << "left after " << calls;
        EXPECT_EQ(mm::free_frame_count(), free) << "left after " << calls;
    }
    EXPECT_GT(calls, 5u);
}

TEST_F(LeftExchanges, TheEndOfTheDomainAbandonsThem)
{
    for (unsigned calls = 1; leave_after(calls); ++calls) {
        guest.domain.memory.dying = true;
        while (!guest.domain.exchange.abandon().ok()) {
        }
        EXPECT_EQ(mm::free_frame_count() + guest.domain.memory.total_pages, free + total) << "left after " << calls;
        EXPECT_EQ(exchange(), einval) << "no other one begins";
        guest.domain.memory.dying = false;
    }
}

TEST_F(LeftExchanges, WhatAnotherProcessorIsAtIsAskedForAgain)
{
    ASSERT_TRUE(leave_after(1));
    {
        const mm::Exchange::Turn others(guest.domain.exchange);
        ASSERT_TRUE(others);
        const u64 done = guest.domain.exchange.done();
        Arguments args{{static_cast<u64>(MemoryCmd::exchange), at(request)}};
        EXPECT_EQ(hypercall::memory_op(guest.vcpu, args), hypercall::preempted);
        EXPECT_EQ(guest.domain.exchange.done(), done);
    }
    EXPECT_EQ(exchange(), 0);
}

TEST_F(Exchanges, WhatTheHeapDoesNotHaveIsNotTaken)
{
    populate(2);
    out = {9};
    ask(0, 1, 13);
    EXPECT_EQ(exchange(), enomem);
    EXPECT_EQ(request.nr_exchanged, 0u);
    EXPECT_EQ(mm::frame(Mfn(in[0])).owner, guest.domain.id);
}

TEST_F(Exchanges, BadRequestsAreRefused)
{
    populate(2);
    out = {9};
    ask(0, 1);
    request.out.domid = 0;
    EXPECT_EQ(exchange(), einval);
    ask(0, 2);
    EXPECT_EQ(exchange(), einval) << "not as many frames";
    ask(10, 10);
    EXPECT_EQ(exchange(), eperm);
    ask(0, 1);
    request.nr_exchanged = 3;
    EXPECT_EQ(exchange(), einval);
    ask(0, 1);
    request.in.nr_extents = u64{1} << 63;
    request.out.nr_extents = u64{1} << 62;
    EXPECT_EQ(exchange(), einval);
    ask(0, 1);
    request.in.domid = request.out.domid = 0;
    EXPECT_EQ(exchange(), eperm);
    EXPECT_EQ(guest.memory_op(MemoryCmd::exchange, 0x100), efault);
}

// XSA-212: the list of results was checked where it begins, and written where nr_exchanged points.
TEST_F(Exchanges, NoHandleReachesTheHypervisor)
{
    constexpr u64 hole[] = {0xffff800000000000, 0xffff828000000000, 0xffff87fffffffff8, 0x0000800000000000,
                            0x00007fffffffffff};
    for (u64 target : hole)
        for (u64 done : {u64{0}, u64{1}, u64{3}}) {
            populate(4);
            out = {1, 2, 3, 4};
            ask(0, 0);
            request.nr_exchanged = done;
            request.out.extent_start.address = target - done * sizeof(u64);
            EXPECT_LT(exchange(), 0);
            ask(0, 0);
            request.nr_exchanged = done;
            request.in.extent_start.address = target - done * sizeof(u64);
            EXPECT_LT(exchange(), 0);
            EXPECT_EQ(guest.memory_op(MemoryCmd::exchange, target), efault);
        }
    EXPECT_EQ(session.machine.unchecked_accesses(), 0u);
}

// ---- Questions and maps

TEST_F(MemoryOps, QuestionsAreAnsweredForThoseWhoMayAsk)
{
    abi::MemoryDomain self{domid_self.value}, first{1}, nobody{77};
    EXPECT_EQ(guest.memory_op(MemoryCmd::maximum_ram_page, 0), static_cast<i64>(machine::max_mfn.value));
    EXPECT_EQ(guest.memory_op(MemoryCmd::current_reservation, at(self)),
              static_cast<i64>(guest.domain.memory.total_pages));
    EXPECT_EQ(guest.memory_op(MemoryCmd::current_reservation, at(first)),
              static_cast<i64>(guest.domain.memory.total_pages));
    EXPECT_EQ(dom0.memory_op(MemoryCmd::maximum_reservation, at(first)), 100000);
    EXPECT_EQ(dom0.memory_op(MemoryCmd::current_reservation, at(nobody)), esrch);
    abi::MemoryDomain zero{0};
    EXPECT_EQ(guest.memory_op(MemoryCmd::current_reservation, at(zero)), eperm);
    guest.shared->arch.max_pfn = 500;
    EXPECT_EQ(guest.memory_op(MemoryCmd::maximum_gpfn, at(self)), 499);
}

TEST_F(MemoryOps, TheDomainsMapIsWhatToolsHaveSet)
{
    std::array<abi::E820Entry, 4> buffer{};
    abi::MemoryMap map{4, {at(buffer[0])}};
    EXPECT_EQ(guest.memory_op(MemoryCmd::memory_map, at(map)), enosys);
    abi::E820Entry given[2] = {{0, 0x100000, 1}, {0x100000, 0x1000, 2}};
    abi::ForeignMemoryMap foreign{1, {2, {at(given[0])}}};
    EXPECT_EQ(guest.memory_op(MemoryCmd::set_memory_map, at(foreign)), eperm);
    EXPECT_EQ(dom0.memory_op(MemoryCmd::set_memory_map, at(foreign)), 0);
    EXPECT_EQ(guest.memory_op(MemoryCmd::memory_map, at(map)), 0);
    EXPECT_EQ(map.nr_entries, 2u);
    EXPECT_EQ(u64{buffer[1].addr}, 0x100000u);
    map.nr_entries = 1;
    EXPECT_EQ(guest.memory_op(MemoryCmd::memory_map, at(map)), 0);
    EXPECT_EQ(map.nr_entries, 1u);
    foreign.map.nr_entries = 1025;
    EXPECT_EQ(dom0.memory_op(MemoryCmd::set_memory_map, at(foreign)), einval);
    foreign.map = {2, {0x100}};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::set_memory_map, at(foreign)), efault);
    EXPECT_EQ(guest.memory_op(MemoryCmd::memory_map, at(map)), 0) << "the old one stays";
}

TEST_F(MemoryOps, TheMachinesMapShowsForbiddenHolesAsReserved)
{
    ASSERT_TRUE(dom0.domain.memory.io_memory.add(0, 0xfffffff).ok());
    ASSERT_TRUE(dom0.domain.memory.io_memory.remove(0xe0000, 0xe0003).ok());
    std::array<abi::E820Entry, 16> buffer{};
    abi::MemoryMap map{16, {at(buffer[0])}};
    EXPECT_EQ(guest.memory_op(MemoryCmd::machine_memory_map, at(map)), eperm);
    ASSERT_EQ(dom0.memory_op(MemoryCmd::machine_memory_map, at(map)), 0);
    EXPECT_EQ(map.nr_entries, mm::host_memory_map().size() + 1);
    bool shown = false;
    for (u32 i = 0; i < map.nr_entries; ++i)
        shown |= buffer[i].addr == 0xe0000000 && buffer[i].size == 0x4000 && buffer[i].type == 2;
    EXPECT_TRUE(shown);
    map.nr_entries = static_cast<u32>(mm::host_memory_map().size());
    EXPECT_EQ(dom0.memory_op(MemoryCmd::machine_memory_map, at(map)), einval);
}

TEST_F(MemoryOps, ClaimsAreForTools)
{
    abi::MemoryReservation claim{{0}, guest.domain.memory.total_pages + 10, 0, 0, 1};
    EXPECT_EQ(guest.memory_op(MemoryCmd::claim_pages, at(claim)), eperm);
    EXPECT_EQ(dom0.memory_op(MemoryCmd::claim_pages, at(claim)), 0);
    EXPECT_EQ(mm::claimed_frame_count(), 10u);
    claim.nr_extents = 0;
    EXPECT_EQ(dom0.memory_op(MemoryCmd::claim_pages, at(claim)), 0);
    EXPECT_EQ(mm::claimed_frame_count(), 0u);
    claim.extent_order = 1;
    EXPECT_EQ(dom0.memory_op(MemoryCmd::claim_pages, at(claim)), einval);
    claim = {{0}, 10, 0, 0, 77};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::claim_pages, at(claim)), einval);
}

TEST_F(MemoryOps, GrantFramesAreAcquiredByTools)
{
    u64 frames[2] = {};
    abi::MemAcquireResource resource{1, abi::ResourceType::grant_table, 0, 2, 0, 0, {at(frames[0])}};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), 0);
    EXPECT_EQ(frames[1], guest.domain.grants.shared_frame(1).take().value);
    EXPECT_EQ(dom0.mmu_update(dom0.l1_entry(0), entry_for(Mfn(frames[1]), rw), 3, 1), 0)
        << "they are mapped as the guest's";
    EXPECT_EQ(dom0.mmu_update(dom0.l1_entry(0), 0), 0);
    resource.frame = 2;
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), einval) << "beyond its limit of 3";
    resource = {1, abi::ResourceType::grant_table, 0, 0, 0, 0, {0}};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), 0);
    EXPECT_EQ(resource.nr_frames, 3u);
    resource = {0, abi::ResourceType::grant_table, 0, 1, 0, 0, {at(frames[0])}};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), eperm) << "itself";
    EXPECT_EQ(guest.memory_op(MemoryCmd::acquire_resource, at(resource)), eperm);
    resource.domid = domid_self.value;
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), esrch);
    resource = {1, abi::ResourceType::grant_table, 0, 1, 1, 0, {at(frames[0])}};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), einval);
    resource = {1, abi::ResourceType::grant_table, 0, 0xffffffff, 0, 2, {at(frames[0])}};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), einval);
    resource = {1, abi::ResourceType::vmtrace_buf, 0, 1, 0, 0, {at(frames[0])}};
    EXPECT_EQ(dom0.memory_op(MemoryCmd::acquire_resource, at(resource)), eopnotsupp);
}

TEST_F(MemoryOps, WhatIsNotForPvGuestsIsRefusedAsXenDoes)
{
    abi::AddToPhysmap add{domid_self.value, 0, abi::MapSpace::shared_info, 0, 0};
    EXPECT_EQ(guest.memory_op(MemoryCmd::add_to_physmap, at(add)), eacces);
    add.space = abi::MapSpace::gmfn_foreign;
    EXPECT_EQ(guest.memory_op(MemoryCmd::add_to_physmap, at(add)), enosys);
    EXPECT_EQ(guest.memory_op(MemoryCmd::remove_from_physmap, at(add)), eacces);
    EXPECT_EQ(guest.memory_op(MemoryCmd::machphys_compat_mfn_list, at(add)), eopnotsupp);
    EXPECT_EQ(guest.memory_op(MemoryCmd::get_sharing_freed_pages, 0), 0);
    EXPECT_EQ(guest.memory_op(static_cast<MemoryCmd>(29), 0), enosys);
    EXPECT_EQ(guest.memory_op(static_cast<MemoryCmd>(63), 0), enosys);
    EXPECT_EQ(guest.call(hypercall::memory_op, static_cast<u64>(MemoryCmd::maximum_ram_page) | 64, 0), einval)
        << "nothing of it can be continued";
}

// Every handle of these calls, at every boundary: refused, and never touched.
TEST_F(MemoryOps, NoArgumentReachesTheHypervisor)
{
    constexpr u64 addresses[] = {0x00007ffffffffff9, 0x0000800000000000, 0xffff7fffffffffff, 0xffff800000000000,
                                 0xffff830000000000, 0xffff87fffffffff9, 0xfffffffffffffff9};
    for (u64 address : addresses) {
        for (unsigned command = 0; command < 30; ++command)
            for (PagingDomain* caller : {&dom0, &guest})
                (void)caller->memory_op(static_cast<MemoryCmd>(command), address);
        std::vector<u64> list(1);
        abi::MemoryReservation r{{address}, 1, 0, 0, domid_self.value};
        for (MemoryCmd command :
             {MemoryCmd::increase_reservation, MemoryCmd::decrease_reservation, MemoryCmd::populate_physmap})
            EXPECT_EQ(reserve(guest, command, r), 0);
        (void)guest.call(hypercall::mmu_update, address, 2, address, domid_self.value);
        (void)guest.call(hypercall::mmuext_op, address, 2, address, domid_self.value);
        (void)guest.call(hypercall::set_gdt, address, 100);
        (void)guest.call(hypercall::update_va_mapping, guest.address(0), 0, address | 1);
        (void)guest.mmuext(abi::MmuextCmd::tlb_flush_multi, 0, address);
    }
    EXPECT_EQ(session.machine.unchecked_accesses(), 0u);
}

}
}
