// From a vector to whoever handles it: the processor's own interrupts here, a device's as an event of the domain that
// has it.
//
// All device interrupts go to the first processor. A level interrupt is masked at its pin and ended at the local APIC
// at once, so that a slow guest holds back nobody else; end_of_irq() opens the pin again.

#include "hypervisor/arch/x86_64/irq.hpp"

#include "event_channels/event_channels.hpp"
#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/apic.hpp"
#include "hypervisor/arch/x86_64/console.hpp"
#include "hypervisor/arch/x86_64/io.hpp"
#include "hypervisor/arch/x86_64/io_apic.hpp"
#include "hypervisor/arch/x86_64/machine.hpp"
#include "hypervisor/arch/x86_64/msi.hpp"
#include "hypervisor/arch/x86_64/tlb.hpp"
#include "hypervisor/arch/x86_64/vectors.hpp"
#include "hypervisor/core/irq.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/domain.hpp"

namespace xylem::arch {
namespace {

using machine::Polarity;
using machine::Trigger;

constexpr unsigned message_irqs = 192; // somewhat more than there are vectors
constexpr unsigned max_irqs = 512 + message_irqs;
constexpr unsigned isa_irqs = 16;

/// An interrupt's state; under the interrupt lock.
struct Interrupt {
    bool ours = false;   ///< the hypervisor's own
    bool mapped = false; ///< `owner` has it
    bool bound = false;  ///< and has an event channel for it
    Trigger trigger = Trigger::edge;
    Polarity polarity = Polarity::high;
    u8 vector = 0;
    DomId owner = domid_none;
    u32 run = 0; ///< of MSIs: the run's length, in its first
    MessageSource source{};
};

SpinLock irq_lock{LockRank::irq};
Interrupt interrupts[max_irqs];
VectorTable vectors;
unsigned gsis = 0;

bool is_gsi(u32 irq)
{
    return irq < gsis;
}

void set_masked(u32 irq, bool masked)
{
    if (is_gsi(irq))
        mask_redirection(irq, masked);
    else
        mask_message(interrupts[irq].source, masked);
}

/// Gives the pin its vector and wiring, masked. @return false if there is no vector left
bool route_gsi(u32 gsi)
{
    Interrupt& i = interrupts[gsi];
    if (i.vector == 0)
        i.vector = vectors.take(static_cast<u16>(gsi), 1);
    if (i.vector == 0)
        return false;
    write_redirection(gsi,
                      redirection::masked | i.vector | (i.trigger == Trigger::level ? redirection::level : 0) |
                          (i.polarity == Polarity::low ? redirection::active_low : 0),
                      cpu_data(CpuId(0)).apic_id);
    return true;
}

void free_vector(Interrupt& i)
{
    if (i.vector)
        vectors.give_back(i.vector);
    i.vector = 0;
}

// ---- What event channels ask for

Result<void> bind(DomId domain, u32 irq, bool)
{
    if (irq >= machine::irq_count())
        return Error::Invalid;
    LockGuard guard(irq_lock);
    Interrupt& i = interrupts[irq];
    if (!i.mapped || i.owner != domain)
        return Error::NotPermitted;
    if (i.bound || i.ours)
        return Error::Busy;
    if (is_gsi(irq) && !route_gsi(irq))
        return Error::NoSpace;
    i.bound = true;
    set_masked(irq, false);
    return {};
}

void unbind(DomId, u32 irq)
{
    LockGuard guard(irq_lock);
    interrupts[irq].bound = false;
    set_masked(irq, true);
}

// ---- Arrival

void raise_in_domain(DomId owner, u32 irq)
{
    Result<DomainRef> domain = find_domain(owner);
    if (domain.ok())
        event_channels::raise_pirq(domain.value()->events, irq);
}

void console_interrupt()
{
    if (!receive_console_input())
        return;
    Result<DomainRef> dom0 = find_domain(DomId(0));
    if (dom0.ok())
        event_channels::raise_global_virq(dom0.value()->events, static_cast<u32>(abi::Virq::console));
}

void device_interrupt(u8 vector)
{
    bool deliver = false, ours = false;
    DomId owner;
    const u16 irq = vectors.irq_of(vector);
    if (irq != VectorTable::nothing) {
        LockGuard guard(irq_lock);
        const Interrupt& i = interrupts[irq];
        deliver = i.bound;
        ours = i.ours;
        owner = i.owner;
        if (!ours && (i.trigger == Trigger::level || !deliver))
            set_masked(irq, true);
    }
    apic_eoi();
    if (ours)
        console_interrupt();
    else if (deliver)
        raise_in_domain(owner, irq);
}

/// The old controllers stay masked for good; their spurious interrupts come on vectors that nobody listens to.
void silence_pics()
{
    constexpr u16 first_command = 0x20, first_data = 0x21, second_command = 0xa0, second_data = 0xa1;
    constexpr u8 spurious_base = 0x20;
    out8(first_command, 0x11);
    out8(second_command, 0x11);
    out8(first_data, spurious_base);
    out8(second_data, spurious_base + 8);
    out8(first_data, 4);
    out8(second_data, 2);
    out8(first_data, 1);
    out8(second_data, 1);
    out8(first_data, 0xff);
    out8(second_data, 0xff);
}

/// ISA interrupts are edges, active high; all others are PCI's levels, active low; then what ACPI says otherwise.
void wire_gsis()
{
    for (u32 gsi = 0; gsi < gsis; ++gsi) {
        interrupts[gsi].trigger = gsi < isa_irqs ? Trigger::edge : Trigger::level;
        interrupts[gsi].polarity = gsi < isa_irqs ? Polarity::high : Polarity::low;
    }
    constexpr u16 low = 3, level = 3;
    for (const AcpiOverride& o : acpi().all_overrides()) {
        if (o.gsi >= gsis)
            continue;
        interrupts[o.gsi].polarity = (o.flags & 3) == low ? Polarity::low : Polarity::high;
        interrupts[o.gsi].trigger = (o.flags >> 2 & 3) == level ? Trigger::level : Trigger::edge;
    }
}

u32 gsi_of_isa(u8 irq)
{
    for (const AcpiOverride& o : acpi().all_overrides())
        if (o.irq == irq)
            return o.gsi;
    return irq;
}

void claim_console()
{
    const u8 line = console_irq();
    const u32 gsi = gsi_of_isa(line);
    if (line == 0 || gsi >= gsis)
        return;
    interrupts[gsi].ours = true;
    LockGuard guard(irq_lock);
    if (route_gsi(gsi))
        set_masked(gsi, false);
    enable_console_input();
}

PciAddress address_of_function(machine::PciFunction f)
{
    return {f.segment, f.bus, f.devfn};
}

// ---- PCI devices that dom0 has named

constexpr unsigned max_devices = 1024;
PciAddress devices[max_devices];
unsigned device_count = 0;

unsigned index_of_device(PciAddress which)
{
    unsigned i = 0;
    while (i < device_count && !(devices[i] == which))
        ++i;
    return i;
}

// ---- Message interrupts

bool source_in_use(const MessageSource& source)
{
    for (u32 irq = gsis; irq < machine::irq_count(); ++irq) {
        const MessageSource& other = interrupts[irq].source;
        if (interrupts[irq].mapped && other.device == source.device &&
            (other.msix != source.msix || other.index == source.index))
            return true;
    }
    return false;
}

/// The first of `count` consecutive free message irqs, or 0.
u32 free_message_irqs(u32 count)
{
    u32 run = 0;
    for (u32 irq = gsis; irq < machine::irq_count(); ++irq) {
        run = interrupts[irq].mapped ? 0 : run + 1;
        if (run == count)
            return irq - count + 1;
    }
    return 0;
}

void program_message(u32 irq)
{
    const Interrupt& i = interrupts[irq];
    if (i.source.msix || i.run)
        write_message(i.source, compose_message(cpu_data(CpuId(0)).apic_id, i.vector), i.run ? i.run : 1);
    mask_message(i.source, !i.bound);
}

Result<u32> install_messages(DomId domain, const MessageSource& first, u32 count)
{
    LockGuard guard(irq_lock);
    if (source_in_use(first))
        return Error::Exists;
    const u32 irq = free_message_irqs(count);
    const u8 vector = irq ? vectors.take(static_cast<u16>(irq), count) : u8{0};
    if (vector == 0)
        return Error::NoSpace;
    for (u32 n = 0; n < count; ++n) {
        Interrupt& i = interrupts[irq + n];
        i = Interrupt{};
        i.mapped = true;
        i.owner = domain;
        i.vector = static_cast<u8>(vector + n);
        i.run = n == 0 ? count : 0;
        i.source = first;
        i.source.index = static_cast<u16>(first.index + n);
        program_message(irq + n);
    }
    return irq;
}

}

void handle_interrupt(u8 vector)
{
    switch (vector) {
    case vector_timer:
        apic_eoi();
        atomic_or(&cpu().work, static_cast<u32>(work_timer));
        return restart_flush_clock_if_wrapped();
    case vector_flush:
        apic_eoi();
        return serve_flush_requests();
    case vector_call:
        apic_eoi();
        return serve_call();
    case vector_kick:
        return apic_eoi();
    case vector_apic_error:
        apic_access->write(ApicRegister::error_status, 0);
        log(LogLevel::warning, "Local APIC error {:x} on processor {}", apic_access->read(ApicRegister::error_status),
            cpu().index);
        return apic_eoi();
    case vector_spurious:
        return;
    }
    if (vector >= first_device_vector && vector <= last_device_vector)
        device_interrupt(vector);
}

void initialise_interrupts()
{
    silence_pics();
    initialise_io_apics();
    gsis = io_apic_pins();
    wire_gsis();
    claim_console();
    event_channels::set_pirq_layer({bind, unbind});
}

unsigned gsi_count()
{
    return gsis;
}

}

namespace xylem::machine {

using namespace arch;

unsigned gsi_count()
{
    return gsis;
}
unsigned irq_count()
{
    return gsis + message_irqs;
}

Result<void> configure_gsi(u32 gsi, Trigger trigger, Polarity polarity)
{
    if (gsi >= gsis)
        return Error::Invalid;
    LockGuard guard(irq_lock);
    Interrupt& i = interrupts[gsi];
    if (i.bound || i.ours)
        return {};
    i.trigger = trigger;
    i.polarity = polarity;
    return {};
}

bool irq_is_level(u32 irq)
{
    return irq < irq_count() && interrupts[irq].trigger == Trigger::level;
}

Result<void> map_gsi(DomId domain, u32 gsi)
{
    if (gsi >= gsis)
        return Error::Invalid;
    LockGuard guard(irq_lock);
    Interrupt& i = interrupts[gsi];
    if (i.mapped && i.owner != domain)
        return Error::Busy;
    i.mapped = true;
    i.owner = domain;
    return {};
}

Result<void> unmap_irq(DomId domain, u32 irq)
{
    if (irq >= irq_count())
        return Error::Invalid;
    LockGuard guard(irq_lock);
    Interrupt& i = interrupts[irq];
    if (!i.mapped || i.owner != domain)
        return Error::Invalid;
    if (i.bound)
        return Error::Busy;
    if (!i.ours) {
        set_masked(irq, true);
        free_vector(i);
    }
    i.mapped = false;
    i.owner = domid_none;
    return {};
}

void release_irqs(DomId domain)
{
    for (u32 irq = 0; irq < irq_count(); ++irq)
        (void)unmap_irq(domain, irq).ok();
}

Result<u32> find_free_irq()
{
    LockGuard guard(irq_lock);
    const u32 irq = free_message_irqs(1);
    if (irq == 0)
        return Error::NoSpace;
    return irq;
}

Result<void> end_of_irq(DomId domain, u32 irq)
{
    if (irq >= irq_count())
        return Error::Invalid;
    LockGuard guard(irq_lock);
    const Interrupt& i = interrupts[irq];
    if (!i.mapped || i.owner != domain)
        return Error::Invalid;
    if (i.bound && i.trigger == Trigger::level)
        set_masked(irq, false);
    return {};
}

Result<u32> map_message(DomId domain, const MessageRequest& request)
{
    if (!pci_device_known(request.device))
        return Error::NoDevice;
    MessageSource source;
    const PciAddress device = address_of_function(request.device);
    if (!find_message_source(device, request.msix, request.msix ? request.entry : request.count - 1, source))
        return source.capability ? Error::Invalid : Error::NoDevice;
    if (!request.msix)
        source.index = 0;
    return install_messages(domain, source, request.count);
}

Result<void> restore_messages(PciFunction device)
{
    if (!pci_device_known(device))
        return Error::NoDevice;
    LockGuard guard(irq_lock);
    for (u32 irq = gsis; irq < irq_count(); ++irq)
        if (interrupts[irq].mapped && interrupts[irq].source.device == address_of_function(device))
            program_message(irq);
    return {};
}

Result<void> add_pci_device(PciFunction device)
{
    const PciAddress which = address_of_function(device);
    if (!pci_make_reachable(which))
        return Error::NoDevice;
    LockGuard guard(irq_lock);
    if (index_of_device(which) < device_count)
        return {};
    if (device_count == max_devices)
        return Error::NoSpace;
    devices[device_count++] = which;
    return {};
}

Result<void> remove_pci_device(PciFunction device)
{
    LockGuard guard(irq_lock);
    const unsigned index = index_of_device(address_of_function(device));
    if (index == device_count)
        return Error::NoDevice;
    devices[index] = devices[--device_count];
    return {};
}

bool pci_device_known(PciFunction device)
{
    LockGuard guard(irq_lock);
    return index_of_device(address_of_function(device)) < device_count;
}

bool is_pci_config_space(u64 address, u16 segment)
{
    for (unsigned i = 0; i < acpi().config_space_count; ++i)
        if (acpi().config_spaces[i].address == address && acpi().config_spaces[i].segment == segment)
            return true;
    return false;
}

Result<u32> read_io_apic(u64 base, u32 index)
{
    LockGuard guard(irq_lock);
    u32 value = 0;
    if (!io_apic_read(base, index, value))
        return Error::Invalid;
    return value;
}

Result<void> write_io_apic(u64 base, u32 index, u32 value)
{
    TRY(read_io_apic(base, 0));
    u32 gsi = 0;
    const bool low_half = index % 2 == 0;
    if (!io_apic_gsi(base, index, gsi) || !low_half || value & redirection::masked)
        return {};
    constexpr u32 fixed = 0, lowest_priority = 1 << 8;
    const u32 mode = value & redirection::delivery_mode;
    if (mode != fixed && mode != lowest_priority)
        return Error::Invalid;
    return configure_gsi(gsi, value & redirection::level ? Trigger::level : Trigger::edge,
                         value & redirection::active_low ? Polarity::low : Polarity::high);
}

}
