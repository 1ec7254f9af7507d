// set_trap_table, set_callbacks, callback_op, nmi_op: where a guest wants its traps, events and system calls to enter
// it. (xen/include/public/{xen,callback,nmi}.h; docs/pv-abi.md 2.5, 2.6)

#include "hypervisor/abi/x86_64/layout.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/vcpu_context.hpp"
#include "hypervisor/hypercall/hypercall.hpp"

#include <string.h>

namespace xylem::hypercall {
namespace {

Result<void> set_traps(Vcpu& self, GuestIn<abi::TrapInfo> table)
{
    if (table.null()) {
        memset(self.traps, 0, sizeof self.traps);
        return {};
    }
    // A list longer than there are vectors names some twice; a few rounds of that are nobody's need.
    for (unsigned i = 0; i < 2 * abi::trap_vectors; ++i) {
        abi::TrapInfo trap = TRY(table.copy_in(i));
        if (trap.address == 0)
            return {};
        if (!abi::is_canonical(trap.address))
            return Error::Invalid;
        trap.cs = ring3(trap.cs);
        self.traps[trap.vector] = trap;
    }
    return Error::Invalid;
}

void set_nmi_handler(Vcpu& self, u64 address)
{
    self.traps[2] = {2, abi::trap_mask_events, abi::flat_ring3_cs64, address};
}

Result<void> register_callback(Vcpu& self, const abi::CallbackRegister& callback)
{
    const u8 masks = (callback.flags & abi::callbackf_mask_events) != 0;
    if (!abi::is_canonical(callback.address))
        return Error::Invalid;
    switch (callback.type) {
    case abi::CallbackType::event:
        self.event_callback = {callback.address, 1};
        return {};
    case abi::CallbackType::failsafe:
        self.failsafe_callback = {callback.address, masks};
        return {};
    case abi::CallbackType::syscall:
        self.syscall_callback = callback.address;
        self.syscall_masks_events = masks;
        return {};
    case abi::CallbackType::syscall32:
        self.syscall32_callback = {callback.address, masks};
        return {};
    case abi::CallbackType::sysenter:
    case abi::CallbackType::sysenter_deprecated:
        if (callback.type == abi::CallbackType::sysenter_deprecated)
            return Error::NotImplemented;
        self.sysenter_callback = {callback.address, masks};
        return {};
    case abi::CallbackType::nmi:
        set_nmi_handler(self, callback.address);
        return {};
    }
    return Error::NotImplemented;
}

Result<void> unregister_callback(Vcpu& self, abi::CallbackType type)
{
    switch (type) {
    case abi::CallbackType::nmi:
        self.traps[2] = {};
        return {};
    case abi::CallbackType::event:
    case abi::CallbackType::failsafe:
    case abi::CallbackType::syscall:
    case abi::CallbackType::sysenter:
    case abi::CallbackType::syscall32:
        return Error::Invalid;
    default:
        return Error::NotImplemented;
    }
}

Result<void> callback(Vcpu& self, abi::CallbackCmd cmd, u64 argument)
{
    switch (cmd) {
    case abi::CallbackCmd::register_callback:
        return register_callback(self, TRY(GuestIn<abi::CallbackRegister>(argument).copy_in()));
    case abi::CallbackCmd::unregister_callback:
        return unregister_callback(self, TRY(GuestIn<abi::CallbackUnregister>(argument).copy_in()).type);
    }
    return Error::NotImplemented;
}

Result<void> nmi(Vcpu& self, abi::NmiCmd cmd, u64 argument)
{
    switch (cmd) {
    case abi::NmiCmd::register_callback: {
        const abi::NmiCallback handler = TRY(GuestIn<abi::NmiCallback>(argument).copy_in());
        if (!abi::is_canonical(handler.handler_address))
            return Error::Invalid;
        set_nmi_handler(self, handler.handler_address);
        return {};
    }
    case abi::NmiCmd::unregister_callback:
        self.traps[2] = {};
        return {};
    }
    return Error::NotImplemented;
}

}

i64 set_trap_table(Vcpu& self, Arguments& args)
{
    return to_wire(set_traps(self, GuestIn<abi::TrapInfo>(args.a[0])));
}

i64 set_callbacks(Vcpu& self, Arguments& args)
{
    // Three registrations whose flags are clear; one that is refused is passed over, and the answer is always 0.
    (void)register_callback(self, {abi::CallbackType::event, 0, args.a[0]}).ok();
    (void)register_callback(self, {abi::CallbackType::failsafe, 0, args.a[1]}).ok();
    (void)register_callback(self, {abi::CallbackType::syscall, 0, args.a[2]}).ok();
    return 0;
}

i64 callback_op(Vcpu& self, Arguments& args)
{
    return to_wire(callback(self, static_cast<abi::CallbackCmd>(args.a[0]), args.a[1]));
}

i64 nmi_op(Vcpu& self, Arguments& args)
{
    return to_wire(nmi(self, static_cast<abi::NmiCmd>(args.a[0]), args.a[1]));
}

}
