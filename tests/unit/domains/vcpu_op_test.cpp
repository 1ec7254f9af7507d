// vcpu_op, set_timer_op and sched_op on a domain's own vCPUs; and time as a guest is told it. (docs/pv-abi.md 4.5, 4.6,
// 4.10)

#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/abi/sched.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/mm/reservation.hpp"
#include "hypervisor/sched/sched.hpp"
#include "tests/unit/domains/tools.hpp"

#include <memory>
#include <vector>

namespace xylem::test {
namespace {

using abi::VcpuCmd;

struct VcpuOps : Tools {
    Domain& guest = make_guest(2);
    Vcpu &first = *guest.vcpus[0], &second = *guest.vcpus[1];
    Port timer = event_channels::bind_virq(guest.events, 0, VcpuId(0)).value();

    VcpuOps()
    {
        EXPECT_EQ(domctl(abi::DomctlCmd::unpausedomain, guest.id), 0);
        for (Vcpu* vcpu : {&first, &second})
            set_periodic(*vcpu, {});
        first.initialised = 1;
        sched::set_down(first.unit, false);
        // It runs, as one that makes hypercalls does.
        EXPECT_EQ(&sched::pick(), &first.unit);
    }
    ~VcpuOps() override
    {
        sched::pause(first.unit);
        sched::descheduled(first.unit);
        sched::resume(first.unit);
        sched::set_down(first.unit, true);
        EXPECT_TRUE(sched::pick().is_idle);
    }
    i64 vcpu_op(VcpuCmd cmd, u64 id, u64 argument = 0)
    {
        return call(first, hypercall::vcpu_op, static_cast<u64>(cmd), id, argument);
    }
    bool timer_rang() { return atomic_test_and_clear(guest.shared_info->evtchn_pending, timer.value); }
    i64 now() { return session.machine.now().value; }
};

TEST_F(VcpuOps, NumbersBeyondTheLastAreNoVcpus)
{
    EXPECT_EQ(vcpu_op(VcpuCmd::is_up, 0), 1);
    EXPECT_EQ(vcpu_op(VcpuCmd::is_up, 1), 0);
    for (u64 id : {u64{2}, u64{63}, u64{64}, u64{8191}, ~u64{0}})
        EXPECT_EQ(vcpu_op(VcpuCmd::is_up, id), enoent);
    EXPECT_EQ(vcpu_op(VcpuCmd(14), 0), enosys);
    EXPECT_EQ(vcpu_op(VcpuCmd::get_physid, 0, 0x100), einval);
}

TEST_F(VcpuOps, ASecondVcpuIsInitialisedOnceThenBroughtUpAndDown)
{
    const auto context = std::make_unique<abi::VcpuGuestContext>();
    fill(*context, root_for(guest));
    EXPECT_EQ(vcpu_op(VcpuCmd::up, 1), einval) << "not initialised";
    EXPECT_EQ(vcpu_op(VcpuCmd::initialise, 1, 0x100), efault);
    EXPECT_EQ(vcpu_op(VcpuCmd::initialise, 1, at(*context)), 0);
    EXPECT_EQ(vcpu_op(VcpuCmd::initialise, 1, at(*context)), eexist);
    EXPECT_TRUE(second.unit.down) << "initialised is not up";
    EXPECT_EQ(vcpu_op(VcpuCmd::up, 1), 0);
    EXPECT_EQ(vcpu_op(VcpuCmd::is_up, 1), 1);
    EXPECT_EQ(vcpu_op(VcpuCmd::down, 1), 0);
    EXPECT_EQ(vcpu_op(VcpuCmd::is_up, 1), 0);
    EXPECT_EQ(vcpu_op(VcpuCmd::down, 0), 0) << "the last one";
    EXPECT_TRUE(guest.shutting_down);
    EXPECT_EQ(guest.shutdown_code, 0u) << "powers off";
    resume_domain(guest);
}

// A root that another call has left half invalidated is finished first: nobody waits for ever for a table.
TEST_F(VcpuOps, AnInitialisationThatFailsHalfWayCanBeRepeated)
{
    const Mfn root = root_for(guest), bad = root_for(guest);
    machine::map<u64>(bad)[7] = 0x80000000001; // no frame
    for (unsigned slot = 0; slot < 20; ++slot)
        machine::map<u64>(root)[slot] =
            address_of(slot == 19 ? bad : root_for(guest)).value | abi::pte::present | abi::pte::user;
    const auto context = std::make_unique<abi::VcpuGuestContext>();
    fill(*context, root);
    session.machine.preempt_every(2);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(vcpu_op(VcpuCmd::initialise, 1, at(*context)), einval);
    machine::map<u64>(root)[19] = 0;
    EXPECT_EQ(vcpu_op(VcpuCmd::initialise, 1, at(*context)), 0);
}

TEST_F(VcpuOps, TheInfoMovesOnceWithAllItSays)
{
    const Mfn page = root_for(guest), table = root_for(guest);
    first.info->evtchn_upcall_mask = 1;
    abi::VcpuRegisterVcpuInfo where{page.value, 4096, 0};
    EXPECT_EQ(vcpu_op(VcpuCmd::register_vcpu_info, 0, at(where)), enxio);
    where.offset = 4;
    EXPECT_EQ(vcpu_op(VcpuCmd::register_vcpu_info, 0, at(where)), enxio);
    ASSERT_TRUE(mm::pin(guest.memory, table, mm::PageType::l1).ok());
    where = {table.value, 64, 0};
    EXPECT_EQ(vcpu_op(VcpuCmd::register_vcpu_info, 0, at(where)), einval) << "a page table";
    where = {page.value, 64, 0};
    ASSERT_EQ(vcpu_op(VcpuCmd::register_vcpu_info, 0, at(where)), 0);
    EXPECT_EQ(first.info, reinterpret_cast<abi::VcpuInfo*>(machine::map(page) + 64));
    EXPECT_EQ(first.info->evtchn_upcall_mask, 1);
    EXPECT_EQ(first.info->evtchn_upcall_pending, 1) << "nothing that came meanwhile is lost";
    EXPECT_EQ(first.info->evtchn_pending_sel, ~u64{0});
    EXPECT_NE(first.info->time.tsc_to_system_mul, 0u) << "a guest divides by it at once";
    EXPECT_EQ(mm::type_count(page), 1u);
    EXPECT_EQ(vcpu_op(VcpuCmd::register_vcpu_info, 0, at(where)), einval) << "once";
    sched::set_down(second.unit, false);
    EXPECT_EQ(vcpu_op(VcpuCmd::register_vcpu_info, 1, at(where)), einval) << "another one that runs";
    sched::set_down(second.unit, true);
}

TEST_F(VcpuOps, ASingleShotRingsOnceAndInThePastAtOnce)
{
    abi::VcpuSetSingleshotTimer request{static_cast<u64>(now()) + 1000, 0};
    EXPECT_EQ(vcpu_op(VcpuCmd::set_singleshot_timer, 1, at(request)), einval) << "another's";
    ASSERT_EQ(vcpu_op(VcpuCmd::set_singleshot_timer, 0, at(request)), 0);
    sched::run_timers();
    EXPECT_FALSE(timer_rang());
    session.machine.advance(1000);
    sched::run_timers();
    EXPECT_TRUE(timer_rang());
    sched::run_timers();
    EXPECT_FALSE(timer_rang());
    request = {1, abi::vcpu_sshottmr_future};
    EXPECT_EQ(vcpu_op(VcpuCmd::set_singleshot_timer, 0, at(request)), 0) << "no ETIME";
    EXPECT_TRUE(timer_rang());
    request = {static_cast<u64>(now()) + 1000, 0};
    ASSERT_EQ(vcpu_op(VcpuCmd::set_singleshot_timer, 0, at(request)), 0);
    EXPECT_EQ(vcpu_op(VcpuCmd::stop_singleshot_timer, 1), einval);
    ASSERT_EQ(vcpu_op(VcpuCmd::stop_singleshot_timer, 0), 0);
    session.machine.advance(2000);
    sched::run_timers();
    EXPECT_FALSE(timer_rang());
    request = {~u64{0}, 0};
    ASSERT_EQ(vcpu_op(VcpuCmd::set_singleshot_timer, 0, at(request)), 0) << "as good as never";
    sched::run_timers();
    EXPECT_FALSE(timer_rang());
    EXPECT_EQ(call(first, hypercall::set_timer_op, ~u64{0}), 0) << "absurd times ring soon";
    session.machine.advance(100'000'000);
    sched::run_timers();
    EXPECT_TRUE(timer_rang());
    EXPECT_EQ(call(first, hypercall::set_timer_op, 0), 0);
}

TEST_F(VcpuOps, APeriodicTimerRingsAgainAndAgain)
{
    abi::VcpuSetPeriodicTimer request{999'999};
    EXPECT_EQ(vcpu_op(VcpuCmd::set_periodic_timer, 0, at(request)), einval) << "under a millisecond";
    request.period_ns = ~u64{0};
    EXPECT_EQ(vcpu_op(VcpuCmd::set_periodic_timer, 0, at(request)), einval);
    request.period_ns = 2'000'000;
    session.machine.advance(10'000'000);
    ASSERT_EQ(vcpu_op(VcpuCmd::set_periodic_timer, 0, at(request)), 0);
    EXPECT_TRUE(timer_rang()) << "at once, for the last was long ago";
    for (int i = 0; i < 3; ++i) {
        session.machine.advance(2'000'000);
        sched::run_timers();
        EXPECT_TRUE(timer_rang());
    }
    session.machine.advance(20'000'000);
    sched::run_timers();
    EXPECT_TRUE(timer_rang());
    sched::run_timers();
    EXPECT_FALSE(timer_rang()) << "missed ones are not made up for";
    stop_periodic(first);
    session.machine.advance(20'000'000);
    sched::run_timers();
    EXPECT_FALSE(timer_rang()) << "it does not run";
    start_periodic(first);
    EXPECT_TRUE(timer_rang());
    ASSERT_EQ(vcpu_op(VcpuCmd::set_periodic_timer, 1, at(request)), 0);
    EXPECT_FALSE(second.periodic_timer.armed) << "nor does the other";
    ASSERT_EQ(vcpu_op(VcpuCmd::stop_periodic_timer, 0), 0);
    session.machine.advance(20'000'000);
    sched::run_timers();
    EXPECT_FALSE(timer_rang());
}

TEST_F(VcpuOps, RunstateIsPublishedUnderItsProtocol)
{
    abi::VcpuRunstateInfo area{};
    abi::VcpuRegisterRunstateMemoryArea request{{at(area)}};
    ASSERT_EQ(vcpu_op(VcpuCmd::register_runstate_memory_area, 0, at(request)), 0);
    EXPECT_EQ(area.state, abi::Runstate::running);
    request.addr.address = guest_low_end - 8;
    EXPECT_EQ(vcpu_op(VcpuCmd::register_runstate_memory_area, 0, at(request)), efault);
    request.addr.address = 0;
    EXPECT_EQ(vcpu_op(VcpuCmd::register_runstate_memory_area, 0, at(request)), 0) << "no area any more";
    EXPECT_EQ(first.runstate_area, 0u);
    write_runstate_area(first);
    abi::VcpuRunstateInfo other{};
    EXPECT_EQ(vcpu_op(VcpuCmd::get_runstate_info, 1, at(other)), 0);
    EXPECT_EQ(other.state, abi::Runstate::offline);
    EXPECT_EQ(vcpu_op(VcpuCmd::get_runstate_info, 1, 0x100), efault);

    request.addr.address = at(area);
    ASSERT_EQ(vcpu_op(VcpuCmd::register_runstate_memory_area, 0, at(request)), 0);
    guest.vm_assist |= u64{1} << static_cast<u32>(abi::VmassistType::runstate_update_flag);
    session.machine.advance(500);
    sched::block(first.unit);
    write_runstate_area_leaving(first);
    EXPECT_EQ(area.state, abi::Runstate::blocked);
    EXPECT_EQ(area.state_entry_time, static_cast<u64>(now())) << "with the flag of an update gone again";
    sched::wake(first.unit);
}

TEST_F(VcpuOps, TimeIsWrittenWhenItIsOldOrForced)
{
    abi::VcpuTimeInfo copy{};
    abi::VcpuRegisterTimeMemoryArea request{{at(copy)}};
    ASSERT_EQ(vcpu_op(VcpuCmd::register_vcpu_time_memory_area, 0, at(request)), 0);
    EXPECT_EQ(copy.version, first.info->time.version);
    EXPECT_EQ(copy.version % 2, 0u);
    EXPECT_EQ(copy.system_time, static_cast<u64>(now()));
    EXPECT_TRUE(copy.flags & abi::pvclock_tsc_stable);
    const u32 version = copy.version;
    update_guest_time(first);
    EXPECT_EQ(copy.version, version) << "it is not old yet";
    session.machine.advance(2'000'000'000);
    update_guest_time(first);
    EXPECT_NE(copy.version, version);
    request.addr.address = ~u64{0};
    EXPECT_EQ(vcpu_op(VcpuCmd::register_vcpu_time_memory_area, 0, at(request)), efault);
    first.info->time.version = 0xfffffffd; // the guest may write what it likes
    force_guest_time(first);
    EXPECT_EQ(first.info->time.version % 2, 0u);
}

TEST_F(VcpuOps, NmisTakeNoArgument)
{
    EXPECT_EQ(vcpu_op(VcpuCmd::send_nmi, 1, 1), einval);
    EXPECT_EQ(vcpu_op(VcpuCmd::send_nmi, 1), 0);
    EXPECT_EQ(second.nmi_pending, 1);
}

// ---- sched_op

struct SchedOps : VcpuOps {
    i64 sched_op(abi::SchedCmd cmd, u64 argument = 0)
    {
        return call(first, hypercall::sched_op, static_cast<u64>(cmd), argument);
    }
};

TEST_F(SchedOps, BlockingUnmasksAndWaitsUnlessSomethingIsThere)
{
    first.info->evtchn_upcall_mask = 1;
    EXPECT_EQ(sched_op(abi::SchedCmd::block), 0);
    EXPECT_EQ(first.info->evtchn_upcall_mask, 0);
    EXPECT_TRUE(first.unit.blocked);
    sched::wake(first.unit);
    first.info->evtchn_upcall_pending = 1;
    EXPECT_EQ(sched_op(abi::SchedCmd::block), 0);
    EXPECT_FALSE(first.unit.blocked);
    EXPECT_EQ(call(first, hypercall::sched_op_compat, 1), 0);
    EXPECT_FALSE(first.unit.blocked);
    EXPECT_EQ(sched_op(abi::SchedCmd::yield), 0);
    EXPECT_TRUE(first.unit.yielding);
    EXPECT_EQ(sched_op(abi::SchedCmd(8)), enosys);
    EXPECT_EQ(call(first, hypercall::sched_op_compat, 3), enosys);
}

TEST_F(SchedOps, PollingEndsByItsPortMaskedOrNot)
{
    const Port port = event_channels::bind_ipi(guest.events, VcpuId(0)).value();
    first.info->evtchn_upcall_mask = 1;
    std::vector<u32> ports{port.value};
    abi::SchedPoll request{{at(ports[0])}, 129, 0};
    EXPECT_EQ(sched_op(abi::SchedCmd::poll, at(request)), einval);
    request.nr_ports = 1;
    ports[0] = 100'000;
    EXPECT_EQ(sched_op(abi::SchedCmd::poll, at(request)), einval);
    request.ports.address = 0x100;
    EXPECT_EQ(sched_op(abi::SchedCmd::poll, at(request)), efault);
    request.ports.address = at(ports[0]);
    ports[0] = port.value;
    atomic_test_and_set(guest.shared_info->evtchn_mask, port.value);
    EXPECT_EQ(sched_op(abi::SchedCmd::poll, at(request)), 0);
    EXPECT_TRUE(first.unit.blocked);
    EXPECT_TRUE(event_channels::send(guest.events, port).ok());
    EXPECT_FALSE(first.unit.blocked);
    EXPECT_EQ(sched_op(abi::SchedCmd::poll, at(request)), 0);
    EXPECT_FALSE(first.unit.blocked) << "it is pending still";
    atomic_test_and_clear(guest.shared_info->evtchn_pending, port.value);
    request.timeout = static_cast<u64>(now()) + 1000;
    EXPECT_EQ(sched_op(abi::SchedCmd::poll, at(request)), 0);
    EXPECT_TRUE(first.unit.blocked);
    session.machine.advance(1000);
    sched::run_timers();
    EXPECT_FALSE(first.unit.blocked) << "the time is over";
}

TEST_F(SchedOps, OnlyTheMachinesDomainPinsItselfAndShutsOthersDown)
{
    abi::SchedPinOverride pin{0};
    EXPECT_EQ(sched_op(abi::SchedCmd::pin_override, at(pin)), eperm);
    EXPECT_EQ(call(*self, hypercall::sched_op, 7, at(pin)), 0);
    pin.pcpu = 5;
    EXPECT_EQ(call(*self, hypercall::sched_op, 7, at(pin)), einval);
    pin.pcpu = -1;
    EXPECT_EQ(call(*self, hypercall::sched_op, 7, at(pin)), 0);
    abi::SchedRemoteShutdown remote{77, abi::ShutdownReason::reboot};
    EXPECT_EQ(sched_op(abi::SchedCmd::remote_shutdown, at(remote)), esrch);
    remote.domain_id = guest.id.value;
    EXPECT_EQ(sched_op(abi::SchedCmd::remote_shutdown, at(remote)), eperm);
    abi::SchedShutdown code{abi::ShutdownReason::reboot};
    EXPECT_EQ(sched_op(abi::SchedCmd::shutdown_code, at(code)), 0);
    EXPECT_FALSE(guest.shutting_down) << "recorded, no more";
    remote.reason = abi::ShutdownReason::crash;
    EXPECT_EQ(call(*self, hypercall::sched_op, 4, at(remote)), 0);
    EXPECT_TRUE(guest.shutting_down);
    EXPECT_EQ(guest.shutdown_code, 1u) << "the first reason stays";
    resume_domain(guest);
}

using SchedOpsDeathTest = SchedOps;

TEST_F(SchedOpsDeathTest, TheEndOfDom0IsTheEndOfTheMachine)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    abi::SchedShutdown request{abi::ShutdownReason::poweroff};
    EXPECT_DEATH(call(*self, hypercall::sched_op, 2, at(request)), "end of the machine: 0");
}

}
}
