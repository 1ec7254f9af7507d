// The life of domains: made, given vCPUs, paused, shut down, ended; and what is left of them, which is nothing.

#include "hypervisor/abi/sched.hpp"
#include "hypervisor/domain/watchdog.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/reservation.hpp"
#include "tests/unit/domains/tools.hpp"

#include <thread>

namespace xylem::test {
namespace {

using abi::DomctlCmd;

struct Lifecycle : Tools {};

// "a small idle domain costs it at most 128 KiB (free pages before, less after, less the domain's own)"
TEST_F(Lifecycle, ASmallIdleDomainCostsAtMost128KiB)
{
    const u64 before = mm::free_frame_count();
    Domain& guest = make_guest(1, 64);
    for (int i = 0; i < 16; ++i)
        ASSERT_TRUE(mm::assign_new_frames(guest.memory, 0).ok());
    const u64 cost = before - mm::free_frame_count() - guest.memory.total_pages;
    EXPECT_LE(cost * page_size, u64{128} << 10) << cost << " pages";
    destroy(guest.id);
    EXPECT_EQ(mm::free_frame_count(), before);
}

TEST_F(Lifecycle, EndingIsPreemptibleAndGivesBackEverything)
{
    const u64 before = mm::free_frame_count();
    Domain& guest = make_guest(4, 2000);
    const DomId id = guest.id;
    for (int i = 0; i < 1500; ++i)
        ASSERT_TRUE(mm::assign_new_frames(guest.memory, 0).ok());
    for (u32 i = 0; i < 300; ++i)
        ASSERT_TRUE(event_channels::alloc_unbound(guest.events, DomId(0)).ok());
    session.machine.preempt_every(1);
    Arguments args{{at(op)}};
    op.cmd = DomctlCmd::destroydomain;
    op.domain = id.value;
    unsigned again = 0;
    while (hypercall::domctl(*self, args) == hypercall::preempted) {
        EXPECT_LT(++again, 100'000u);
        EXPECT_FALSE(info(id).flags & abi::dominf_dying) << "dying is told of the dead alone";
        op.cmd = DomctlCmd::destroydomain;
        op.domain = id.value;
    }
    EXPECT_GT(again, 1000u);
    session.machine.preempt_every(0);
    EXPECT_EQ(mm::free_frame_count(), before);
    EXPECT_EQ(domctl(DomctlCmd::destroydomain, id), esrch);
}

TEST_F(Lifecycle, ADeadDomainStaysAsLongAsSomebodyHoldsAFrameOfIt)
{
    Domain& guest = make_guest(1);
    const DomId id = guest.id;
    const Mfn kept = mm::assign_new_frames(guest.memory, 0).value();
    mm::PageRef held = mm::get_page(kept, id).take();
    destroy(id);
    EXPECT_TRUE(info(id).flags & abi::dominf_dying);
    EXPECT_EQ(op.u.getdomaininfo.tot_pages, 1u);
    EXPECT_EQ(domctl(DomctlCmd::destroydomain, id), 0) << "as often as one likes";
    // It gets nothing any more that would have to be given back.
    op.u.max_vcpus.max = 1;
    EXPECT_EQ(domctl(DomctlCmd::max_vcpus, id), einval);
    abi::VcpuGuestContext context;
    fill(context, kept);
    op.u.vcpucontext = {0, {at(context)}};
    EXPECT_EQ(domctl(DomctlCmd::setvcpucontext, id), einval);
    EXPECT_FALSE(mm::assign_new_frames(guest.memory, 0).ok());
    held = mm::PageRef();
    EXPECT_EQ(domctl(DomctlCmd::getdomaininfo, id), esrch);
}

TEST_F(Lifecycle, IdsAreGivenInTurnAndTakenOnlyOnce)
{
    const DomId first = make_guest().id, second = make_guest().id;
    EXPECT_EQ(second, first + 1);
    destroy(first);
    EXPECT_EQ(make_guest().id, second + 1) << "not at once again";
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.grant_opts = 1;
    op.u.createdomain.max_grant_frames = 1;
    EXPECT_EQ(domctl(DomctlCmd::createdomain, second), eexist);
}

TEST_F(Lifecycle, ACreationThatRunsOutOfMemoryLeavesNothing)
{
    std::vector<Mfn> taken;
    const u64 before = mm::free_frame_count();
    for (u64 left = 0; left < 12; ++left) {
        while (mm::free_frame_count() > left)
            taken.push_back(mm::allocate_frame().value());
        const Result<Domain*> made = create_domain(DomId(77), Privilege::none, {.vcpus = 1});
        if (made.ok()) {
            destroy(DomId(77));
        } else {
            EXPECT_EQ(made.error(), Error::NoMemory);
            EXPECT_FALSE(find_domain(DomId(77)).ok());
        }
        EXPECT_EQ(mm::free_frame_count(), left);
        for (Mfn mfn : taken)
            mm::free_frame(mfn);
        taken.clear();
    }
    EXPECT_EQ(mm::free_frame_count(), before);
}

TEST_F(Lifecycle, PausesAreCounted)
{
    Domain& guest = make_guest(2);
    EXPECT_EQ(guest.vcpus[1]->unit.pause_count, 1u);
    EXPECT_EQ(domctl(DomctlCmd::pausedomain, guest.id), 0);
    EXPECT_EQ(guest.vcpus[1]->unit.pause_count, 1u) << "the vCPUs are stopped once";
    EXPECT_EQ(domctl(DomctlCmd::unpausedomain, guest.id), 0);
    EXPECT_TRUE(info(guest.id).flags & abi::dominf_paused);
    EXPECT_EQ(domctl(DomctlCmd::unpausedomain, guest.id), 0);
    EXPECT_EQ(guest.vcpus[1]->unit.pause_count, 0u);
    EXPECT_FALSE(info(guest.id).flags & abi::dominf_paused);
    EXPECT_EQ(domctl(DomctlCmd::unpausedomain, guest.id), einval);
    EXPECT_EQ(domctl(DomctlCmd::pausedomain, DomId(0)), einval) << "oneself";
    EXPECT_EQ(domctl(DomctlCmd::destroydomain, DomId(0)), einval);
}

TEST_F(Lifecycle, AShutDownDomainTellsWhyAndCanBeResumed)
{
    Domain& guest = make_guest(2);
    ASSERT_EQ(domctl(DomctlCmd::unpausedomain, guest.id), 0);
    const Port virq = event_channels::bind_virq(dom0->events, static_cast<u32>(abi::Virq::dom_exc), VcpuId(0)).value();
    const Port suspended = event_channels::alloc_unbound(dom0->events, guest.id).value();
    const Port remote = event_channels::bind_interdomain(guest.events, dom0->events, suspended).value();
    op.u.subscribe.port = remote.value;
    ASSERT_EQ(domctl(DomctlCmd::subscribe, guest.id), 0);
    abi::SchedShutdown request{abi::ShutdownReason::suspend};
    EXPECT_EQ(call(*guest.vcpus[0], hypercall::sched_op, 2, at(request)), 0);
    EXPECT_EQ(info(guest.id).flags >> abi::dominf_shutdownshift & 0xff, 2u);
    EXPECT_TRUE(op.u.getdomaininfo.flags & abi::dominf_shutdown);
    EXPECT_TRUE(test_bit(dom0->shared_info->evtchn_pending, virq.value));
    EXPECT_TRUE(test_bit(dom0->shared_info->evtchn_pending, suspended.value));
    request.reason = abi::ShutdownReason::crash;
    EXPECT_EQ(call(*guest.vcpus[1], hypercall::sched_op, 2, at(request)), 0);
    EXPECT_EQ(info(guest.id).flags >> abi::dominf_shutdownshift & 0xff, 2u) << "the first reason stays";
    EXPECT_EQ(domctl(DomctlCmd::resumedomain, guest.id), 0);
    EXPECT_FALSE(info(guest.id).flags & abi::dominf_shutdown);
    EXPECT_EQ(op.u.getdomaininfo.flags >> abi::dominf_shutdownshift & 0xff, 0xffu);
    EXPECT_EQ(guest.vcpus[0]->unit.pause_count, 0u);
}

TEST_F(Lifecycle, DomainsInfosGoUpwardsFromTheIdAskedFor)
{
    const DomId first = make_guest().id;
    EXPECT_EQ(info(DomId(0)).domain, 0);
    EXPECT_EQ(info(DomId(1)).domain, first.value);
    EXPECT_EQ(domctl(DomctlCmd::getdomaininfo, first + 1), esrch);
    EXPECT_EQ(domctl(DomctlCmd::getdomaininfo, DomId(0x7ff0)), einval);
}

// ---- Watchdogs

TEST_F(Lifecycle, AWatchdogThatIsNotFedEndsItsDomain)
{
    Domain& guest = make_guest();
    abi::SchedWatchdog request{0, 2};
    const auto watchdog = [&](u32 id, u32 seconds) {
        request = {id, seconds};
        return call(*guest.vcpus[0], hypercall::sched_op, 6, at(request));
    };
    EXPECT_EQ(watchdog(0, 2), 1);
    EXPECT_EQ(watchdog(0, 2), 2);
    EXPECT_EQ(watchdog(0, 2), enospc);
    EXPECT_EQ(watchdog(3, 2), einval);
    EXPECT_EQ(watchdog(2, 0), 0) << "stopped";
    EXPECT_EQ(watchdog(2, 1), einval);
    session.machine.advance(1'500'000'000);
    EXPECT_EQ(watchdog(1, 2), 0) << "fed";
    session.machine.advance(1'500'000'000);
    sched::run_timers();
    EXPECT_FALSE(guest.shut_down);
    session.machine.advance(1'000'000'000);
    sched::run_timers();
    EXPECT_TRUE(guest.shut_down);
    EXPECT_EQ(guest.shutdown_code, 4u);
}

// One processor ends the domain for its watchdog while another feeds it: neither may wait for what the other holds.
TEST_F(Lifecycle, AWatchdogMayRunOutWhileItIsFed)
{
    session.machine.set_cpu_count(2);
    Domain& guest = make_guest();
    for (int round = 0; round < 300; ++round) {
        ASSERT_TRUE(set_watchdog(guest, round ? 1 : 0, 1).ok());
        session.machine.advance(2'000'000'000);
        std::thread feeder([&] {
            session.machine.run_as(CpuId(1));
            (void)set_watchdog(guest, 1, 1).ok();
            sched::run_timers();
        });
        sched::run_timers();
        feeder.join();
        resume_domain(guest);
    }
}

}
}
