// physdev_op: hardware interrupts, I/O privilege and PCI devices for the kernel that drives the hardware.
// (xen/include/public/physdev.h; docs/pv-abi.md 4.8)
//
// A pirq is the irq's own number in every domain (core/irq.hpp), so for dom0 pirq and GSI are one.

#include "hypervisor/abi/physdev.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/core/irq.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/references.hpp"

#include <bit>
#include <stddef.h>

namespace xylem::hypercall {
namespace {

using machine::Polarity;
using machine::Trigger;

constexpr u32 redirection_table = 0x10; // first I/O APIC register of the redirection entries

Result<void> need_control(const Domain& caller)
{
    if (!caller.privileged())
        return Error::NotPermitted;
    return {};
}

// ---- The page of bits that say which pirqs need an EOI

void mark_level_pirqs(Domain& domain)
{
    if (domain.pirq_eoi_frame == invalid_mfn)
        return;
    u64* bits = machine::map<u64>(domain.pirq_eoi_frame);
    for (u32 irq = 0; irq < machine::irq_count(); ++irq) {
        if (machine::irq_is_level(irq))
            atomic_or(&bits[irq / 64], u64{1} << (irq % 64));
        else
            atomic_and(&bits[irq / 64], ~(u64{1} << (irq % 64)));
    }
}

Result<void> pirq_eoi_gmfn(Domain& domain, const abi::PhysdevPirqEoiGmfn& op)
{
    if (domain.pirq_eoi_frame != invalid_mfn)
        return Error::Busy;
    const Mfn frame(op.gmfn);
    TRY(mm::get_writable_page(domain.memory, frame));
    Mfn none = invalid_mfn;
    // Two vCPUs may come at once: one of them wins.
    if (!atomic_compare_exchange(&domain.pirq_eoi_frame.value, none.value, frame.value)) {
        mm::put_writable_page(frame);
        return Error::Busy;
    }
    mark_level_pirqs(domain);
    return {};
}

// ---- Interrupts

Result<void> eoi(Domain& domain, const abi::PhysdevEoi& op)
{
    return machine::end_of_irq(domain.id, op.irq);
}

/// Each of the domain's interrupts.
i64 unmask_all(Domain& domain)
{
    for (u32 irq = 0; irq < machine::irq_count(); ++irq)
        (void)machine::end_of_irq(domain.id, irq).ok();
    return 0;
}

Result<void> irq_status_query(Domain&, abi::PhysdevIrqStatusQuery& op)
{
    if (op.irq >= machine::irq_count())
        return Error::Invalid;
    op.flags = abi::irqstat_needs_eoi;
    return {};
}

Result<void> alloc_irq_vector(Domain& caller, abi::PhysdevIrq& op)
{
    TRY(need_control(caller));
    if (op.irq >= machine::irq_count())
        return Error::Invalid;
    op.vector = op.irq; // vectors are nobody's but the hypervisor's
    return {};
}

Result<void> setup_gsi(Domain& caller, const abi::PhysdevSetupGsi& op)
{
    if (static_cast<u32>(op.gsi) >= machine::gsi_count())
        return Error::Invalid;
    TRY(need_control(caller));
    TRY(machine::configure_gsi(static_cast<u32>(op.gsi), op.triggering ? Trigger::level : Trigger::edge,
                               op.polarity ? Polarity::low : Polarity::high));
    mark_level_pirqs(caller);
    return {};
}

/// A guest maps nothing, not even for itself.
Result<DomainRef> find_target(Domain& caller, abi::RawDomId id)
{
    DomainRef target = TRY(find_domain_or_self(caller, DomId(id)));
    TRY(need_control(caller));
    return target;
}

Result<void> map_gsi(Domain& caller, Domain& target, abi::PhysdevMapPirq& op)
{
    const u32 gsi = static_cast<u32>(op.index);
    if (gsi >= machine::gsi_count() || (op.pirq >= 0 && op.pirq != op.index))
        return Error::Invalid;
    if (!caller.irqs.contains(gsi) || !target.irqs.contains(gsi))
        return Error::NotPermitted;
    TRY(machine::map_gsi(target.id, gsi));
    op.pirq = op.index;
    mark_level_pirqs(target);
    return {};
}

Result<void> map_message(Domain& caller, Domain& target, abi::PhysdevMapPirq& op)
{
    if (!caller.is_hardware_domain)
        return Error::NotPermitted;
    const u32 bus = static_cast<u32>(op.bus);
    const u16 segment = op.type == abi::MapPirqType::msi ? u16{0} : static_cast<u16>(bus >> 16);
    const bool several = op.type == abi::MapPirqType::multi_msi;
    const u32 count = several ? std::bit_ceil(static_cast<u32>(op.entry_nr) & 0x3f) : 1;
    constexpr int most_messages = 32;
    if (several && (op.table_base || op.entry_nr < 1 || op.entry_nr > most_messages))
        return Error::Invalid;
    op.pirq = static_cast<int32_t>(
        TRY(machine::map_message(target.id, {{segment, static_cast<u8>(bus), static_cast<u8>(op.devfn)},
                                             static_cast<u32>(op.entry_nr),
                                             op.table_base != 0,
                                             count})));
    return {};
}

Result<void> map_pirq(Domain& caller, abi::PhysdevMapPirq& op)
{
    DomainRef target = TRY(find_target(caller, op.domid));
    switch (op.type) {
    case abi::MapPirqType::gsi:
        return map_gsi(caller, *target, op);
    case abi::MapPirqType::msi:
    case abi::MapPirqType::msi_seg:
    case abi::MapPirqType::multi_msi:
        return map_message(caller, *target, op);
    case abi::MapPirqType::unknown:
        break;
    }
    return Error::Invalid;
}

Result<void> unmap_pirq(Domain& caller, const abi::PhysdevUnmapPirq& op)
{
    DomainRef target = TRY(find_target(caller, op.domid));
    return machine::unmap_irq(target->id, static_cast<u32>(op.pirq));
}

Result<void> get_free_pirq(Domain&, abi::PhysdevGetFreePirq& op)
{
    op.pirq = TRY(machine::find_free_irq());
    return {};
}

Result<void> apic_read(Domain& caller, abi::PhysdevApic& op)
{
    TRY(need_control(caller));
    op.value = TRY(machine::read_io_apic(op.apic_physbase, op.reg));
    return {};
}

Result<void> apic_write(Domain& caller, const abi::PhysdevApic& op)
{
    TRY(need_control(caller));
    if (op.reg < redirection_table)
        return {};
    return machine::write_io_apic(op.apic_physbase, op.reg, op.value);
}

// ---- PCI devices

Result<void> add_device(Domain& caller, machine::PciFunction device)
{
    TRY(need_control(caller));
    return machine::add_pci_device(device);
}

Result<void> remove_device(Domain& caller, machine::PciFunction device)
{
    TRY(need_control(caller));
    return machine::remove_pci_device(device);
}

Result<void> restore_messages(Domain& caller, machine::PciFunction device)
{
    TRY(need_control(caller));
    return machine::restore_messages(device);
}

/// MSI-X tables need no preparation: entries are mapped as they are asked for.
Result<void> check_device(Domain& caller, machine::PciFunction device)
{
    TRY(need_control(caller));
    if (!machine::pci_device_known(device))
        return Error::NoDevice;
    return {};
}

Result<void> pci_mmcfg_reserved(Domain&, const abi::PhysdevPciMmcfgReserved& op)
{
    if (!machine::is_pci_config_space(op.address, op.segment))
        return Error::NoDevice;
    return {};
}

/// No debug port of a USB controller is ever ours: whatever is to be done about one, there is nothing to do.
Result<void> dbgp_op(Domain&, const abi::PhysdevDbgpOp&)
{
    return {};
}

// ---- I/O privilege of the calling vCPU

Result<void> set_iopl(Vcpu& self, const abi::PhysdevSetIopl& op)
{
    constexpr u32 highest = 3;
    if (op.iopl > highest)
        return Error::Invalid;
    self.iopl = static_cast<u8>(op.iopl);
    return {};
}

Result<void> set_iobitmap(Vcpu& self, const abi::PhysdevSetIobitmap& op)
{
    constexpr u32 all_ports = 65536;
    if (op.nr_ports > all_ports || !guest_range_ok(op.bitmap.address, (op.nr_ports + 7) / 8))
        return Error::Invalid;
    self.io_bitmap = op.bitmap.address;
    self.io_bitmap_ports = op.nr_ports;
    return {};
}

// ---- Arguments

/// Copies the argument in, runs `operation(argument)` on the copy, and gives the guest what the operation changed.
template <typename Argument> i64 answer(u64 address, auto operation)
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
template <typename Argument> i64 perform(u64 address, auto operation)
{
    Result<Argument> argument = GuestIn<Argument>(address).copy_in();
    return argument.ok() ? to_wire(operation(argument.value())) : to_errno(argument.error());
}

}

i64 physdev_op(Vcpu& self, Arguments& args)
{
    using enum abi::PhysdevCmd;
    Domain& caller = *self.domain;
    const u64 at = args.a[1];
    // An operation of the calling domain, with or without an answer.
    const auto answered = [&]<typename Argument>(Result<void> (*operation)(Domain&, Argument&)) {
        return answer<Argument>(at, [&](Argument& op) { return operation(caller, op); });
    };
    const auto performed = [&]<typename Argument>(Result<void> (*operation)(Domain&, const Argument&)) {
        return perform<Argument>(at, [&](const Argument& op) { return operation(caller, op); });
    };
    // One that the others may not ask for, whatever they ask.
    const auto performed_for_control = [&](auto operation) {
        return caller.privileged() ? performed(operation) : to_errno(Error::NotPermitted);
    };
    const auto of_function = [&]<typename Argument>(Argument,
                                                    Result<void> (*operation)(Domain&, machine::PciFunction)) {
        return perform<Argument>(at, [&](const Argument& op) {
            if constexpr (requires { op.seg; })
                return operation(caller, {op.seg, op.bus, op.devfn});
            else
                return operation(caller, {0, op.bus, op.devfn});
        });
    };

    switch (static_cast<abi::PhysdevCmd>(static_cast<u32>(args.a[0]))) {
    case eoi:
        return performed(hypercall::eoi);
    case irq_unmask_notify:
        return unmask_all(caller);
    case pirq_eoi_gmfn_v2:
        return performed(hypercall::pirq_eoi_gmfn);
    case irq_status_query:
        return answered(hypercall::irq_status_query);
    case set_iopl:
        return perform<abi::PhysdevSetIopl>(at, [&](const auto& op) { return hypercall::set_iopl(self, op); });
    case set_iobitmap:
        return perform<abi::PhysdevSetIobitmap>(at, [&](const auto& op) { return hypercall::set_iobitmap(self, op); });
    case apic_read:
        return answered(hypercall::apic_read);
    case apic_write:
        return performed(hypercall::apic_write);
    case alloc_irq_vector:
        return answered(hypercall::alloc_irq_vector);
    case map_pirq:
        return answered(hypercall::map_pirq);
    case unmap_pirq:
        return performed(hypercall::unmap_pirq);
    case get_free_pirq:
        return answered(hypercall::get_free_pirq);
    case setup_gsi:
        return performed(hypercall::setup_gsi);
    case manage_pci_add:
        return of_function(abi::PhysdevManagePci{}, add_device);
    case manage_pci_add_ext:
        return of_function(abi::PhysdevManagePciExt{}, add_device);
    case pci_device_add:
        return of_function(abi::PhysdevPciDeviceAdd{}, add_device);
    case manage_pci_remove:
        return of_function(abi::PhysdevManagePci{}, remove_device);
    case pci_device_remove:
        return of_function(abi::PhysdevPciDevice{}, remove_device);
    case restore_msi:
        return of_function(abi::PhysdevManagePci{}, restore_messages);
    case restore_msi_ext:
        return of_function(abi::PhysdevPciDevice{}, restore_messages);
    case prepare_msix:
    case release_msix:
        return of_function(abi::PhysdevPciDevice{}, check_device);
    case pci_mmcfg_reserved:
        return performed_for_control(hypercall::pci_mmcfg_reserved);
    case dbgp_op:
        return performed_for_control(hypercall::dbgp_op);
    default:
        return to_errno(unknown_operation(caller, "physdev_op", args.a[0]));
    }
}

i64 physdev_op_compat(Vcpu& self, Arguments& args)
{
    Result<abi::PhysdevOpCompat> op = GuestIn<abi::PhysdevOpCompat>(args.a[0]).copy_in();
    if (!op.ok())
        return to_errno(op.error());
    Arguments inner = args;
    inner.a[0] = static_cast<u64>(op.value().cmd);
    inner.a[1] = args.a[0] + offsetof(abi::PhysdevOpCompat, u);
    return physdev_op(self, inner);
}

}
