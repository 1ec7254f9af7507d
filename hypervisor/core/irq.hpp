// Hardware interrupts as domains use them. Part of the seam (machine.hpp).
//
// An irq is a GSI, or from gsi_count() up a message interrupt (MSI, MSI-X). A domain knows it by the same number, as
// its pirq. One domain at a time has an irq mapped; only then can it bind the pirq to an event channel
// (event_channels::PirqLayer). A level interrupt that has been delivered stays masked until end_of_irq().
#pragma once

#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::machine {

unsigned gsi_count();
unsigned irq_count();

enum class Trigger : u8 { edge, level };
enum class Polarity : u8 { high, low };

/// Says how a GSI is wired. Ignored while somebody has it bound. @return Invalid  no such GSI
Result<void> configure_gsi(u32 gsi, Trigger trigger, Polarity polarity);
/// Whether an interrupt needs end_of_irq().
bool irq_is_level(u32 irq);

/// Gives a GSI to a domain; again is no error. One that is the hypervisor's own can be had, but not bound.
/// @return Invalid  no such GSI; Busy  another's
Result<void> map_gsi(DomId domain, u32 gsi);
/// Takes an irq back, masked. @return Invalid  it is not the domain's; Busy  still bound
Result<void> unmap_irq(DomId domain, u32 irq);
/// Takes back all that a domain has, which ends: none is bound any more.
void release_irqs(DomId domain);
/// A number for an irq that is not mapped, at or above gsi_count(). @return NoSpace
Result<u32> find_free_irq();

struct PciFunction {
    u16 segment;
    u8 bus, devfn;
};

/// One MSI-X entry (table_base given), one MSI, or a run of `count` MSIs.
struct MessageRequest {
    PciFunction device;
    u32 entry;
    bool msix;
    u32 count;
};
/// Programs the device to raise new interrupts, masked until bound, and gives them to the domain. @return the first
/// irq's number; NoDevice  unknown, or without the capability; Invalid  no such entry; Exists  already mapped; NoSpace
/// no vectors
Result<u32> map_message(DomId domain, const MessageRequest& request);
/// Programs a device's messages anew, after it has been reset. @return NoDevice  unknown
Result<void> restore_messages(PciFunction device);

/// The guest has served a level interrupt. @return Invalid  not mapped to the domain
Result<void> end_of_irq(DomId domain, u32 irq);

/// Makes a device known, as message interrupts ask for. @return NoSpace; NoDevice  its configuration cannot be reached
Result<void> add_pci_device(PciFunction device);
/// @return NoDevice  unknown
Result<void> remove_pci_device(PciFunction device);
bool pci_device_known(PciFunction device);
/// Whether the firmware's tables name this memory as PCI configuration space of the segment.
bool is_pci_config_space(u64 address, u16 segment);

/// I/O APIC registers by the controller's address. @return Invalid  no such controller
Result<u32> read_io_apic(u64 base, u32 index);
/// A redirection entry's low half, as a guest would write it: its trigger and polarity are taken. @return Invalid
Result<void> write_io_apic(u64 base, u32 index, u32 value);

}
