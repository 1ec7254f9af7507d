// event_channel_op: finds the domains that an operation names, checks the caller's right to them, and lets
// event_channels/ do the rest. (xen/include/public/event_channel.h; docs/pv-abi.md 4.2, 4.3)

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

#include <stddef.h>

namespace xylem::hypercall {

namespace {

using event_channels::Continued;
namespace channels = event_channels;

/// Copies the argument in, runs `operation` on the copy, and gives the guest what the operation changed.
template <typename Argument, typename Operation> i64 answer(u64 address, Operation operation)
{
    const GuestInOut<Argument> pointer(address);
    Result<Argument> argument = pointer.copy_in();
    if (!argument.ok())
        return to_errno(argument.error());
    const Result<void> done = operation(argument.value());
    if (!done.ok())
        return to_errno(done.error());
    return to_wire(pointer.copy_out(argument.value()));
}

/// The same for operations that answer with nothing.
template <typename Argument, typename Operation> i64 perform(u64 address, Operation operation)
{
    Result<Argument> argument = GuestIn<Argument>(address).copy_in();
    return argument.ok() ? to_wire(operation(argument.value())) : to_errno(argument.error());
}

/// The domain `id`, if it is the caller's own or the caller has power over it.
Result<DomainRef> find_subject(Domain& caller, abi::RawDomId id)
{
    DomainRef subject = TRY(find_domain_or_self(caller, DomId(id)));
    if (subject.get() != &caller && !caller.privileged())
        return Error::NotPermitted;
    return subject;
}

DomId resolve(const Domain& caller, abi::RawDomId id)
{
    return DomId(id) == domid_self ? caller.id : DomId(id);
}

Result<void> alloc_unbound(Domain& caller, abi::EvtchnAllocUnbound& op)
{
    const DomainRef subject = TRY(find_subject(caller, op.dom));
    op.port = TRY(channels::alloc_unbound(subject->events, resolve(caller, op.remote_dom))).value;
    return {};
}

Result<void> bind_interdomain(Domain& caller, abi::EvtchnBindInterdomain& op)
{
    const DomainRef remote = TRY(find_domain_or_self(caller, DomId(op.remote_dom)));
    op.local_port = TRY(channels::bind_interdomain(caller.events, remote->events, Port(op.remote_port))).value;
    return {};
}

Result<void> status(Domain& caller, abi::EvtchnStatus& op)
{
    const DomainRef subject = TRY(find_subject(caller, op.dom));
    abi::EvtchnStatus found = TRY(channels::status(subject->events, Port(op.port)));
    found.dom = op.dom;
    op = found;
    return {};
}

Result<void> reset(Domain& caller, const abi::EvtchnReset& op, Continued continued)
{
    const DomainRef subject = TRY(find_subject(caller, op.dom));
    if (subject.get() != &caller && subject->controller_pauses == 0)
        return Error::Invalid;
    return channels::reset(subject->events, continued);
}

i64 reset_preemptibly(Domain& caller, Arguments& args, Continued continued)
{
    const i64 result =
        perform<abi::EvtchnReset>(args.a[1], [&](const abi::EvtchnReset& op) { return reset(caller, op, continued); });
    if (result != to_errno(Error::Preempted))
        return result;
    args.a[0] = static_cast<u64>(abi::EvtchnCmd::reset_cont);
    return preempted;
}

Result<void> init_control(Domain& caller, abi::EvtchnInitControl& op)
{
    op.link_bits = abi::evtchn_fifo_link_bits;
    return channels::init_control(caller.events, Mfn(op.control_gfn), op.offset, VcpuId(op.vcpu));
}

i64 expand_preemptibly(channels::Table& events, u64 address)
{
    const i64 result = perform<abi::EvtchnExpandArray>(
        address, [&](auto& op) { return channels::expand_array(events, Mfn(op.array_gfn)); });
    return result == to_errno(Error::Preempted) ? preempted : result;
}

i64 dispatch(Domain& caller, abi::EvtchnCmd command, u64 address)
{
    channels::Table& events = caller.events;
    switch (command) {
    case abi::EvtchnCmd::send:
        return perform<abi::EvtchnSend>(address, [&](auto& op) { return channels::send(events, Port(op.port)); });
    case abi::EvtchnCmd::unmask:
        return perform<abi::EvtchnUnmask>(address, [&](auto& op) { return channels::unmask(events, Port(op.port)); });
    case abi::EvtchnCmd::alloc_unbound:
        return answer<abi::EvtchnAllocUnbound>(address, [&](auto& op) { return alloc_unbound(caller, op); });
    case abi::EvtchnCmd::bind_interdomain:
        return answer<abi::EvtchnBindInterdomain>(address, [&](auto& op) { return bind_interdomain(caller, op); });
    case abi::EvtchnCmd::bind_virq:
        return answer<abi::EvtchnBindVirq>(address, [&](auto& op) -> Result<void> {
            op.port = TRY(channels::bind_virq(events, op.virq, VcpuId(op.vcpu))).value;
            return {};
        });
    case abi::EvtchnCmd::bind_ipi:
        return answer<abi::EvtchnBindIpi>(address, [&](auto& op) -> Result<void> {
            op.port = TRY(channels::bind_ipi(events, VcpuId(op.vcpu))).value;
            return {};
        });
    case abi::EvtchnCmd::bind_pirq:
        return answer<abi::EvtchnBindPirq>(address, [&](auto& op) -> Result<void> {
            op.port = TRY(channels::bind_pirq(events, op.pirq, op.flags)).value;
            return {};
        });
    case abi::EvtchnCmd::close:
        return perform<abi::EvtchnClose>(address, [&](auto& op) { return channels::close(events, Port(op.port)); });
    case abi::EvtchnCmd::status:
        return answer<abi::EvtchnStatus>(address, [&](auto& op) { return status(caller, op); });
    case abi::EvtchnCmd::bind_vcpu:
        return perform<abi::EvtchnBindVcpu>(
            address, [&](auto& op) { return channels::bind_vcpu(events, Port(op.port), VcpuId(op.vcpu)); });
    case abi::EvtchnCmd::init_control:
        return answer<abi::EvtchnInitControl>(address, [&](auto& op) { return init_control(caller, op); });
    case abi::EvtchnCmd::expand_array:
        return expand_preemptibly(events, address);
    case abi::EvtchnCmd::set_priority:
        return perform<abi::EvtchnSetPriority>(
            address, [&](auto& op) { return channels::set_priority(events, Port(op.port), op.priority); });
    case abi::EvtchnCmd::reset:
    case abi::EvtchnCmd::reset_cont:
        break;
    }
    return to_errno(Error::NotImplemented);
}

}

i64 event_channel_op(Vcpu& self, Arguments& args)
{
    const auto number = static_cast<u32>(args.a[0]);
    if (number > static_cast<u32>(abi::EvtchnCmd::reset_cont))
        return to_errno(unknown_operation(*self.domain, "event_channel_op", number));
    const auto command = static_cast<abi::EvtchnCmd>(number);
    if (command == abi::EvtchnCmd::reset || command == abi::EvtchnCmd::reset_cont)
        return reset_preemptibly(*self.domain, args, command == abi::EvtchnCmd::reset ? Continued::no : Continued::yes);
    return dispatch(*self.domain, command, args.a[1]);
}

i64 event_channel_op_compat(Vcpu& self, Arguments& args)
{
    // The command stands in front of the argument. Operations newer than this form are not in it.
    Result<abi::EvtchnCmd> command = GuestIn<abi::EvtchnCmd>(args.a[0]).copy_in();
    if (!command.ok())
        return to_errno(command.error());
    if (command.value() > abi::EvtchnCmd::unmask)
        return to_errno(Error::NotImplemented);
    return dispatch(*self.domain, command.value(), args.a[0] + offsetof(abi::EvtchnOpCompat, u));
}

}
