// vcpu_op and set_timer_op: vCPUs brought up and down, their timers, where their state is published.
// (xen/include/public/vcpu.h; docs/pv-abi.md 4.6)

#include "hypervisor/abi/sched.hpp"
#include "hypervisor/abi/vcpu.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/references.hpp"
#include "hypervisor/sched/sched.hpp"

namespace xylem::hypercall {
namespace {

Result<i64> initialise(Vcpu& target, u64 argument)
{
    if (target.id.value >= abi::legacy_max_vcpus && target.vcpu_info_mfn == invalid_mfn.value)
        return Error::Invalid;
    // Too large for the stack: 5168 bytes.
    auto* context = mm::make<abi::VcpuGuestContext>();
    if (!context)
        return Error::NoMemory;
    Result<void> result = GuestIn<abi::VcpuGuestContext>(argument).copy_in_array(context, 1);
    if (result.ok()) {
        LockGuard guard(target.domain->control_lock);
        result = target.initialised ? Error::Exists : set_vcpu_context(target, *context);
    }
    mm::destroy(context);
    if (!result.ok())
        return result.error();
    return i64{0};
}

Result<i64> up(Vcpu& target)
{
    if (!target.initialised)
        return Error::Invalid;
    if (target.unit.down)
        sched::set_down(target.unit, false);
    return i64{0};
}

Result<i64> down(Vcpu& target)
{
    Domain& domain = *target.domain;
    bool last = true;
    for (const Vcpu* vcpu : domain.vcpus)
        if (vcpu && vcpu != &target && !vcpu->unit.down)
            last = false;
    if (last)
        shut_down(domain, static_cast<u8>(abi::ShutdownReason::poweroff));
    else if (!target.unit.down)
        sched::set_down(target.unit, true);
    return i64{0};
}

abi::VcpuRunstateInfo runstate_of(const Vcpu& target)
{
    const sched::Account account = sched::account(target.unit);
    abi::VcpuRunstateInfo info{};
    info.state = static_cast<abi::Runstate>(account.state);
    info.state_entry_time = static_cast<u64>(account.since.value);
    for (unsigned i = 0; i < 4; ++i)
        info.time[i] = account.time_in[i];
    return info;
}

Result<i64> register_runstate_area(Vcpu& self, Vcpu& target, u64 argument)
{
    const auto request = TRY(GuestIn<abi::VcpuRegisterRunstateMemoryArea>(argument).copy_in());
    if (!guest_range_ok(request.addr.address, sizeof(abi::VcpuRunstateInfo)))
        return Error::Fault;
    target.runstate_area = request.addr.address;
    if (&target == &self)
        write_runstate_area(target);
    else if (target.runstate_area)
        TRY(GuestOut<abi::VcpuRunstateInfo>(target.runstate_area).copy_out(runstate_of(target)));
    return i64{0};
}

Result<i64> register_time_area(Vcpu& self, Vcpu& target, u64 argument)
{
    const auto request = TRY(GuestIn<abi::VcpuRegisterTimeMemoryArea>(argument).copy_in());
    if (!guest_range_ok(request.addr.address, sizeof(abi::VcpuTimeInfo)))
        return Error::Fault;
    target.time_area = request.addr.address;
    target.time_written = {};
    if (&target == &self)
        update_guest_time(target);
    return i64{0};
}

Result<i64> set_periodic(Vcpu& target, u64 argument)
{
    const auto request = TRY(GuestIn<abi::VcpuSetPeriodicTimer>(argument).copy_in());
    constexpr u64 shortest = 1'000'000, longest = u64{1} << 62;
    if (request.period_ns < shortest || request.period_ns > longest)
        return Error::Invalid;
    xylem::set_periodic(target, Nanoseconds(static_cast<i64>(request.period_ns)));
    return i64{0};
}

Result<i64> set_singleshot(Vcpu& self, Vcpu& target, u64 argument)
{
    if (&self != &target)
        return Error::Invalid;
    const auto request = TRY(GuestIn<abi::VcpuSetSingleshotTimer>(argument).copy_in());
    // A deadline of zero, or beyond what a signed count holds, is as good as past or never.
    const u64 deadline = request.timeout_abs_ns == 0 ? 1 : request.timeout_abs_ns;
    xylem::set_singleshot(target, Nanoseconds(deadline >> 63 ? INT64_MAX : static_cast<i64>(deadline)));
    return i64{0};
}

/// Moves the vCPU's info to a page of the guest's. Events that came meanwhile must not be lost, so all are called
/// pending.
Result<i64> register_info(Vcpu& self, Vcpu& target, u64 argument)
{
    const auto request = TRY(GuestIn<abi::VcpuRegisterVcpuInfo>(argument).copy_in());
    if (request.offset > page_size - sizeof(abi::VcpuInfo) || (request.offset & (alignof(abi::VcpuInfo) - 1)))
        return Error::NoDeviceAddress;
    if (&target != &self && !target.unit.down)
        return Error::Invalid;
    Domain& domain = *target.domain;
    LockGuard guard(domain.control_lock);
    if (target.vcpu_info_mfn != invalid_mfn.value)
        return Error::Invalid;
    const Mfn mfn = Mfn(request.mfn);
    TRY(mm::get_writable_page(domain.memory, mfn));
    auto* info = reinterpret_cast<abi::VcpuInfo*>(machine::map(mfn) + request.offset);
    *info = *target.info;
    target.vcpu_info_mfn = mfn.value;
    atomic_store(&target.info, info);
    force_guest_time(target);
    atomic_store(&info->evtchn_pending_sel, ~u64{0});
    atomic_store(&info->evtchn_upcall_pending, u8{1});
    return i64{0};
}

Result<i64> send_nmi(Vcpu& target, u64 argument)
{
    if (argument != 0)
        return Error::Invalid;
    xylem::send_nmi(target);
    return i64{0};
}

Result<i64> stop_singleshot(Vcpu& self, Vcpu& target)
{
    if (&self != &target)
        return Error::Invalid;
    xylem::set_singleshot(target, {});
    return i64{0};
}

Result<i64> operate(Vcpu& self, abi::VcpuCmd cmd, Vcpu& target, u64 argument)
{
    switch (cmd) {
    case abi::VcpuCmd::initialise:
        return initialise(target, argument);
    case abi::VcpuCmd::up:
        return up(target);
    case abi::VcpuCmd::down:
        return down(target);
    case abi::VcpuCmd::is_up:
        return i64{!target.unit.down};
    case abi::VcpuCmd::get_runstate_info:
        TRY(GuestOut<abi::VcpuRunstateInfo>(argument).copy_out(runstate_of(target)));
        return i64{0};
    case abi::VcpuCmd::register_runstate_memory_area:
        return register_runstate_area(self, target, argument);
    case abi::VcpuCmd::set_periodic_timer:
        return set_periodic(target, argument);
    case abi::VcpuCmd::stop_periodic_timer:
        xylem::set_periodic(target, {});
        return i64{0};
    case abi::VcpuCmd::set_singleshot_timer:
        return set_singleshot(self, target, argument);
    case abi::VcpuCmd::stop_singleshot_timer:
        return stop_singleshot(self, target);
    case abi::VcpuCmd::register_vcpu_info:
        return register_info(self, target, argument);
    case abi::VcpuCmd::send_nmi:
        return send_nmi(target, argument);
    case abi::VcpuCmd::get_physid:
        return Error::Invalid; // no vCPU is pinned for good
    case abi::VcpuCmd::register_vcpu_time_memory_area:
        return register_time_area(self, target, argument);
    }
    return unknown_operation(*self.domain, "vcpu_op", static_cast<u64>(cmd));
}

}

i64 vcpu_op(Vcpu& self, Arguments& args)
{
    Vcpu* target = args.a[1] < max_vcpus ? self.domain->vcpu(VcpuId(static_cast<u32>(args.a[1]))) : nullptr;
    if (!target)
        return to_errno(Error::NoEntry);
    Result<i64> result = operate(self, static_cast<abi::VcpuCmd>(args.a[0]), *target, args.a[2]);
    if (result.ok())
        return result.value();
    return result.error() == Error::Preempted ? preempted : to_errno(result.error());
}

i64 set_timer_op(Vcpu& self, Arguments& args)
{
    const i64 deadline = static_cast<i64>(args.a[0]);
    const i64 now = machine::now().value;
    // Absurd times are a guest's overflow: it gets a tick soon, and may think again.
    constexpr i64 too_far = i64{1} << 50;
    if (deadline == 0)
        xylem::set_singleshot(self, {});
    else if (deadline < 0 || deadline - now > too_far)
        xylem::set_singleshot(self, Nanoseconds(now + 100'000'000));
    else
        xylem::set_singleshot(self, Nanoseconds(deadline));
    return 0;
}

}
