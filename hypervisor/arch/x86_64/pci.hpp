// PCI configuration space, by ports (segment 0) and by memory (MCFG).
#pragma once

#include "hypervisor/base/types.hpp"

namespace xylem::arch {

struct PciAddress {
    u16 segment;
    u8 bus;
    u8 devfn; ///< device << 3 | function
    bool operator==(const PciAddress&) const = default;
};

/// Maps a function's registers if ports do not reach them. With no lock held. @return false if there is no way to them
bool pci_make_reachable(PciAddress which);

/// One register of 1, 2 or 4 bytes, aligned to its size, below 256. All ones where there is nothing.
u32 pci_read(PciAddress which, unsigned offset, unsigned bytes);
void pci_write(PciAddress which, unsigned offset, unsigned bytes, u32 value);

/// The offset of a capability in the list of the device, or 0.
unsigned pci_find_capability(PciAddress which, u8 id);

/// Dom0's accesses to the data ports 0xcfc to 0xcff, with its own idea of what 0xcf8 holds.
u32 pci_port_read(u32 config_address, u16 port, unsigned bytes);
void pci_port_write(u32 config_address, u16 port, unsigned bytes, u32 value);

}
