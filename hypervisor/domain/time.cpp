// pvclock, wall clock, vCPU timers and runstate areas. (xen/include/public/{xen,vcpu}.h; docs/pv-abi.md 4.6 and 4.10)

#include "hypervisor/domain/time.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/mmu.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/sched/sched.hpp"

namespace xylem {
namespace {

constexpr i64 time_is_old_after_ns = 1'000'000'000;

SpinLock wall_clock_lock{LockRank::wall_clock};

void write_barrier()
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/// The fields of `info` under its version protocol: odd while they change.
void write_time(volatile abi::VcpuTimeInfo& info)
{
    const machine::TimeScale scale = machine::time_scale();
    const u64 tsc = machine::tsc();
    const i64 now = machine::now().value;
    const u32 version = (info.version + 1) | 1;
    info.version = version;
    write_barrier();
    info.tsc_timestamp = tsc;
    info.system_time = static_cast<u64>(now);
    info.tsc_to_system_mul = scale.mul;
    info.tsc_shift = scale.shift;
    info.flags = scale.stable ? abi::pvclock_tsc_stable : 0;
    write_barrier();
    info.version = version + 1;
}

/// The registered second copy lies in guest memory: written as a whole, odd version first.
void copy_time_area(Vcpu& vcpu)
{
    if (!vcpu.time_area)
        return;
    abi::VcpuTimeInfo copy = vcpu.info->time;
    const GuestOut<u32> version(vcpu.time_area);
    const GuestOut<abi::VcpuTimeInfo> area(vcpu.time_area);
    const u32 odd = copy.version - 1;
    if (!version.copy_out(odd).ok())
        return;
    const u32 even = copy.version;
    copy.version = odd;
    write_barrier();
    if (area.copy_out(copy).ok())
        (void)version.copy_out(even).ok();
}

void raise_timer(Vcpu& vcpu)
{
    event_channels::raise_virq(vcpu.domain->events, vcpu.id, static_cast<u32>(abi::Virq::timer));
}

void singleshot_due(void* context)
{
    Vcpu& vcpu = *static_cast<Vcpu*>(context);
    vcpu.singleshot = {};
    raise_timer(vcpu);
}

void periodic_due(void* context)
{
    Vcpu& vcpu = *static_cast<Vcpu*>(context);
    if (vcpu.unit.on_cpu)
        start_periodic(vcpu);
}

void poll_timed_out(void* context)
{
    sched::wake(static_cast<Vcpu*>(context)->unit);
}

void put_runstate(Vcpu& vcpu, sched::RunState state, Nanoseconds since, const u64 (&time_in)[4])
{
    if (!vcpu.runstate_area)
        return;
    abi::VcpuRunstateInfo info{};
    info.state = static_cast<abi::Runstate>(state);
    info.state_entry_time = static_cast<u64>(since.value);
    for (unsigned i = 0; i < 4; ++i)
        info.time[i] = time_in[i];
    const GuestOut<abi::VcpuRunstateInfo> area(vcpu.runstate_area);
    if (!vcpu.domain->vm_assist_enabled(abi::VmassistType::runstate_update_flag))
        return (void)area.copy_out(info).ok();
    // Others may read it meanwhile: the flag in the entry time tells them to wait.
    const GuestOut<u64> entry_time(vcpu.runstate_area + offsetof(abi::VcpuRunstateInfo, state_entry_time));
    const u64 final_time = info.state_entry_time;
    info.state_entry_time |= abi::runstate_update;
    if (!entry_time.copy_out(info.state_entry_time).ok())
        return;
    write_barrier();
    if (!area.copy_out(info).ok())
        return;
    write_barrier();
    (void)entry_time.copy_out(final_time).ok();
}

}

void force_guest_time(Vcpu& vcpu)
{
    vcpu.time_written = machine::now();
    write_time(vcpu.info->time);
}

void update_guest_time(Vcpu& vcpu)
{
    if (vcpu.time_written.value != 0 && machine::now() - vcpu.time_written < time_is_old_after_ns)
        return;
    force_guest_time(vcpu);
    copy_time_area(vcpu);
}

void set_wall_clock(machine::WallClock at_system_time_zero)
{
    LockGuard guard(wall_clock_lock);
    machine::set_wall_clock(at_system_time_zero);
}

void update_wall_clock(Domain& domain)
{
    LockGuard guard(wall_clock_lock);
    const machine::WallClock clock = machine::wall_clock();
    const u64 seconds = clock.seconds + domain.wallclock_offset;
    volatile abi::SharedInfo& shared = *domain.shared_info;
    const u32 version = (shared.wc_version + 1) | 1;
    shared.wc_version = version;
    write_barrier();
    shared.wc_sec = static_cast<u32>(seconds);
    shared.wc_sec_hi = static_cast<u32>(seconds >> 32);
    shared.wc_nsec = clock.nanoseconds;
    write_barrier();
    shared.wc_version = version + 1;
}

void write_runstate_area(Vcpu& vcpu)
{
    const sched::Account account = sched::account(vcpu.unit);
    put_runstate(vcpu, account.state, account.since, account.time_in);
}

void write_runstate_area_leaving(Vcpu& vcpu)
{
    const sched::Account account = sched::account(vcpu.unit);
    const sched::RunState next = vcpu.unit.runnable()                   ? sched::RunState::runnable
                                 : vcpu.unit.blocked && !vcpu.unit.down ? sched::RunState::blocked
                                                                        : sched::RunState::offline;
    put_runstate(vcpu, next, machine::now(), account.time_in);
}

void initialise_timers(Vcpu& vcpu)
{
    vcpu.singleshot_timer.function = singleshot_due;
    vcpu.periodic_timer.function = periodic_due;
    vcpu.poll_timer.function = poll_timed_out;
    vcpu.singleshot_timer.context = vcpu.periodic_timer.context = vcpu.poll_timer.context = &vcpu;
}

void cancel_timers(Vcpu& vcpu)
{
    vcpu.periodic_period = {};
    sched::cancel_timer(vcpu.singleshot_timer);
    sched::cancel_timer(vcpu.periodic_timer);
    sched::cancel_timer(vcpu.poll_timer);
}

void set_singleshot(Vcpu& vcpu, Nanoseconds deadline)
{
    vcpu.singleshot = deadline;
    if (deadline.value == 0)
        sched::cancel_timer(vcpu.singleshot_timer);
    else if (deadline <= machine::now()) {
        sched::cancel_timer(vcpu.singleshot_timer);
        singleshot_due(&vcpu);
    } else
        sched::set_timer(vcpu.singleshot_timer, deadline);
}

void set_periodic(Vcpu& vcpu, Nanoseconds period)
{
    vcpu.periodic_period = period;
    sched::cancel_timer(vcpu.periodic_timer);
    if (vcpu.unit.on_cpu)
        start_periodic(vcpu);
}

void start_periodic(Vcpu& vcpu)
{
    const i64 period = vcpu.periodic_period.value;
    if (period == 0)
        return;
    const i64 now = machine::now().value;
    if (now >= vcpu.periodic_last.value + period) { // ticks that were missed are not made up for
        vcpu.periodic_last = Nanoseconds(now);
        raise_timer(vcpu);
    }
    sched::set_timer(vcpu.periodic_timer, vcpu.periodic_last + period);
}

void stop_periodic(Vcpu& vcpu)
{
    if (vcpu.periodic_period.value != 0)
        sched::cancel_timer(vcpu.periodic_timer);
}

void set_poll_timeout(Vcpu& vcpu, Nanoseconds deadline)
{
    if (deadline.value == 0)
        sched::cancel_timer(vcpu.poll_timer);
    else
        sched::set_timer(vcpu.poll_timer, deadline);
}

}
