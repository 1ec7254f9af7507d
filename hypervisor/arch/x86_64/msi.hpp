// Message interrupts: what a device is told to write, and where it is told.
#pragma once

#include "hypervisor/arch/x86_64/pci.hpp"
#include "hypervisor/base/types.hpp"

namespace xylem::arch {

struct MsiMessage {
    u64 address;
    u32 data;
    bool operator==(const MsiMessage&) const = default;
};

/// A message that raises `vector` on one processor: fixed delivery, edge.
MsiMessage compose_message(u32 apic_id, u8 vector);

/// The place in a device that holds one message: an MSI capability (with `index` of a run), or an MSI-X entry.
struct MessageSource {
    PciAddress device;
    unsigned capability = 0; ///< offset in configuration space
    u16 index = 0;
    bool msix = false;
    volatile u32* entry = nullptr; ///< MSI-X: four words in the device's table
};

/// Finds and maps it. With no lock held. @return false if the device has no such capability or entry
bool find_message_source(PciAddress device, bool msix, u32 index, MessageSource& source);
/// Tells the device; of a run of MSIs the first alone is told, with the run's length.
void write_message(const MessageSource& source, const MsiMessage& message, u32 run);
/// Masks or unmasks it in the device, where the device can.
void mask_message(const MessageSource& source, bool masked);
/// How many messages an MSI capability can raise.
u32 most_messages(PciAddress device, unsigned capability);

}
