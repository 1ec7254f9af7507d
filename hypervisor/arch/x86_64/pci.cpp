// Configuration mechanism #1 under a lock, since address and data are two ports; MCFG for other segments.

#include "hypervisor/arch/x86_64/pci.hpp"

#include "hypervisor/arch/x86_64/acpi.hpp"
#include "hypervisor/arch/x86_64/io.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/base/lock.hpp"

#include <iterator>

namespace xylem::arch {
namespace {

constexpr u16 address_port = 0xcf8, data_port = 0xcfc;

// Taken under the interrupt lock by MSI code, so its rank is the next.
SpinLock config_lock{LockRank::console};
// Held while a function is added to those below.
SpinLock mapping_lock{LockRank::domctl};

/// Functions of other segments that are mapped: those that dom0 has named.
struct MappedFunction {
    PciAddress where;
    volatile u8* registers;
};
MappedFunction mapped[32];
unsigned mapped_count = 0;

u32 port_address(PciAddress which, unsigned offset)
{
    return 0x80000000U | u32{which.bus} << 16 | u32{which.devfn} << 8 | (offset & 0xfc);
}

volatile u8* config_memory(PciAddress which)
{
    for (unsigned i = 0; i < mapped_count; ++i)
        if (mapped[i].where == which)
            return mapped[i].registers;
    return nullptr;
}

}

bool pci_make_reachable(PciAddress which)
{
    if (which.segment == 0)
        return true;
    for (unsigned i = 0; i < acpi().config_space_count; ++i) {
        const AcpiConfigSpace& space = acpi().config_spaces[i];
        if (space.segment != which.segment || which.bus < space.first_bus || which.bus > space.last_bus)
            continue;
        const LockGuard one_at_a_time(mapping_lock);
        if (config_memory(which))
            return true;
        if (mapped_count == std::size(mapped))
            return false;
        const u64 address = space.address + (u64{which.bus} << 20) + (u64{which.devfn} << 12);
        volatile u8* registers = map_device<volatile u8>(MachineAddress(address), page_size);
        LockGuard guard(config_lock);
        mapped[mapped_count++] = {which, registers};
        return true;
    }
    return false;
}

u32 pci_port_read(u32 config_address, u16 port, unsigned bytes)
{
    LockGuard guard(config_lock);
    out32(address_port, config_address);
    return read_port(port, bytes);
}

void pci_port_write(u32 config_address, u16 port, unsigned bytes, u32 value)
{
    LockGuard guard(config_lock);
    out32(address_port, config_address);
    write_port(port, bytes, value);
}

u32 pci_read(PciAddress which, unsigned offset, unsigned bytes)
{
    if (which.segment == 0)
        return pci_port_read(port_address(which, offset), static_cast<u16>(data_port + offset % 4), bytes);
    LockGuard guard(config_lock);
    const volatile u8* memory = config_memory(which);
    if (!memory)
        return ~0u;
    return bytes == 1   ? device_read<u8>(memory + offset)
           : bytes == 2 ? device_read<u16>(memory + offset)
                        : device_read<u32>(memory + offset);
}

void pci_write(PciAddress which, unsigned offset, unsigned bytes, u32 value)
{
    if (which.segment == 0)
        return pci_port_write(port_address(which, offset), static_cast<u16>(data_port + offset % 4), bytes, value);
    LockGuard guard(config_lock);
    volatile u8* memory = config_memory(which);
    if (!memory)
        return;
    if (bytes == 1)
        device_write<u8>(memory + offset, static_cast<u8>(value));
    else if (bytes == 2)
        device_write<u16>(memory + offset, static_cast<u16>(value));
    else
        device_write<u32>(memory + offset, value);
}

unsigned pci_find_capability(PciAddress which, u8 id)
{
    constexpr unsigned status = 6, list = 0x34;
    if (!(pci_read(which, status, 2) & 0x10))
        return 0;
    unsigned at = pci_read(which, list, 1) & 0xfc;
    for (unsigned seen = 0; at >= 0x40 && seen < 48; ++seen) {
        if (pci_read(which, at, 1) == id)
            return at;
        at = pci_read(which, at + 1, 1) & 0xfc;
    }
    return 0;
}

}
