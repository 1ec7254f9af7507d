// sched_op: a vCPU waits, gives way, or ends its domain. (xen/include/public/sched.h; docs/pv-abi.md 4.5)

#include "hypervisor/abi/sched.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/time.hpp"
#include "hypervisor/domain/watchdog.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/sched/sched.hpp"

#include <span>

namespace xylem::hypercall {
namespace {

bool deliverable(const Vcpu& self)
{
    return atomic_load(&self.info->evtchn_upcall_pending) && !self.info->evtchn_upcall_mask;
}

Result<void> block(Vcpu& self)
{
    self.info->evtchn_upcall_mask = 0;
    sched::block(self.unit);
    // An event that came before the block found nobody to wake.
    if (deliverable(self))
        sched::wake(self.unit);
    return {};
}

Result<void> poll(Vcpu& self, const abi::SchedPoll& request)
{
    if (request.nr_ports > abi::sched_poll_max_ports)
        return Error::Invalid;
    abi::RawPort raw[abi::sched_poll_max_ports];
    Port ports[abi::sched_poll_max_ports];
    TRY(GuestIn<abi::RawPort>(request.ports.address).copy_in_array(raw, request.nr_ports));
    for (u32 i = 0; i < request.nr_ports; ++i)
        ports[i] = Port(raw[i]);
    const std::span<const Port> list(ports, request.nr_ports);
    event_channels::Table& table = self.domain->events;
    TRY(event_channels::any_pending(table, list));

    // From here on an event on one of the ports wakes us, masked or not; then look whether one has come already.
    self.polling = 1;
    event_channels::start_poll(table, self.events, request.nr_ports == 1 ? ports[0] : Port(0));
    sched::block(self.unit);
    Result<bool> pending = event_channels::any_pending(table, list);
    if (deliverable(self) || !pending.ok() || pending.value())
        sched::wake(self.unit);
    else if (request.timeout)
        set_poll_timeout(self, Nanoseconds(static_cast<i64>(request.timeout)));
    return {};
}

Result<void> remote_shutdown(Vcpu& self, const abi::SchedRemoteShutdown& request)
{
    const DomainRef target = TRY(find_domain(DomId(request.domain_id)));
    if (!self.domain->privileged())
        return Error::NotPermitted;
    shut_down(*target, static_cast<u8>(request.reason));
    return {};
}

Result<void> pin_override(Vcpu& self, u64 argument)
{
    if (!self.domain->is_hardware_domain)
        return Error::NotPermitted; // whatever it asks
    const i32 cpu = TRY(GuestIn<abi::SchedPinOverride>(argument).copy_in()).pcpu;
    if (cpu >= static_cast<i32>(machine::cpu_count()))
        return Error::Invalid;
    return sched::set_affinity(self.unit, cpu < 0 ? CpuMask{~u64{0}} : CpuMask::of(CpuId(static_cast<u32>(cpu))));
}

Result<i64> operate(Vcpu& self, abi::SchedCmd cmd, u64 argument)
{
    switch (cmd) {
    case abi::SchedCmd::yield:
        sched::yield(self.unit);
        return i64{0};
    case abi::SchedCmd::block:
        TRY(block(self));
        return i64{0};
    case abi::SchedCmd::shutdown: {
        const abi::SchedShutdown request = TRY(GuestIn<abi::SchedShutdown>(argument).copy_in());
        log(LogLevel::info, "d{}v{} shuts the domain down, reason {}", self.domain->id, self.id, request.reason);
        shut_down(*self.domain, static_cast<u8>(request.reason));
        return i64{0};
    }
    case abi::SchedCmd::shutdown_code: {
        const abi::SchedShutdown request = TRY(GuestIn<abi::SchedShutdown>(argument).copy_in());
        if (self.domain->shutdown_code == 0xff)
            self.domain->shutdown_code = static_cast<u8>(request.reason);
        return i64{0};
    }
    case abi::SchedCmd::poll:
        TRY(poll(self, TRY(GuestIn<abi::SchedPoll>(argument).copy_in())));
        return i64{0};
    case abi::SchedCmd::remote_shutdown:
        TRY(remote_shutdown(self, TRY(GuestIn<abi::SchedRemoteShutdown>(argument).copy_in())));
        return i64{0};
    case abi::SchedCmd::watchdog: {
        const abi::SchedWatchdog request = TRY(GuestIn<abi::SchedWatchdog>(argument).copy_in());
        return set_watchdog(*self.domain, request.id, request.timeout);
    }
    case abi::SchedCmd::pin_override:
        TRY(pin_override(self, argument));
        return i64{0};
    }
    return unknown_operation(*self.domain, "sched_op", static_cast<u64>(cmd));
}

}

i64 sched_op(Vcpu& self, Arguments& args)
{
    Result<i64> result = operate(self, static_cast<abi::SchedCmd>(args.a[0]), args.a[1]);
    return result.ok() ? result.value() : to_errno(result.error());
}

i64 sched_op_compat(Vcpu& self, Arguments& args)
{
    switch (static_cast<abi::SchedCmd>(args.a[0])) {
    case abi::SchedCmd::yield:
        sched::yield(self.unit);
        return 0;
    case abi::SchedCmd::block:
        return to_wire(block(self));
    case abi::SchedCmd::shutdown:
        shut_down(*self.domain, static_cast<u8>(args.a[1]));
        return 0;
    default:
        return to_errno(Error::NotImplemented);
    }
}

}
