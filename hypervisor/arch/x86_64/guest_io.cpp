// Port accesses of guests. (docs/pv-abi.md 2.8 and 5.9)
//
// Two places are shared by nature and therefore ours to mediate: the RTC's index and the PCI configuration address. The
// PIT is ours; a guest finds a channel 2 of its own in its place.

#include "hypervisor/arch/x86_64/guest_io.hpp"

#include "hypervisor/arch/x86_64/io.hpp"
#include "hypervisor/arch/x86_64/pci.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"

namespace xylem::arch {
namespace {

constexpr u16 pit_channel2 = 0x42, pit_command = 0x43, pit_gate = 0x61;
constexpr u16 rtc_index = 0x70, rtc_data = 0x71;
constexpr u16 pci_address = 0xcf8, pci_data = 0xcfc;
constexpr u8 rtc_index_bits = 0x7f;

SpinLock rtc_lock{LockRank::irq};

bool is_pci_address(u16 port, unsigned bytes)
{
    return port == pci_address && bytes == 4;
}
bool is_pci_data(u16 port)
{
    return port >= pci_data && port < pci_data + 4;
}
bool is_rtc(u16 port)
{
    return port == rtc_index || port == rtc_data;
}

/// Whether the whole access goes to the hardware as it is.
bool is_direct(const Domain& domain, u16 port, unsigned bytes)
{
    return !is_pci_address(port, bytes) && !is_rtc(port) && domain.io_ports.contains(port, port + bytes - 1u);
}

u32 read_piece(Domain& domain, u16 port)
{
    switch (port) {
    case pit_channel2:
        return domain.pit.read_counter(machine::now());
    case pit_command:
        return 0;
    case pit_gate:
        return domain.pit.read_gate(machine::now());
    case rtc_index:
        return domain.rtc_index;
    case rtc_data: {
        if (!domain.is_hardware_domain)
            return 0xff;
        LockGuard guard(rtc_lock);
        out8(rtc_index, domain.rtc_index & rtc_index_bits);
        return in8(rtc_data);
    }
    default:
        return domain.io_ports.contains(port) ? in8(port) : 0xff;
    }
}

void write_piece(Domain& domain, u16 port, u8 value)
{
    switch (port) {
    case pit_channel2:
        return domain.pit.write_counter(value, machine::now());
    case pit_command:
        return domain.pit.write_command(value, machine::now());
    case pit_gate:
        return domain.pit.write_gate(value, machine::now());
    case rtc_index:
        domain.rtc_index = value;
        return;
    case rtc_data: {
        if (!domain.is_hardware_domain)
            return;
        LockGuard guard(rtc_lock);
        out8(rtc_index, domain.rtc_index & rtc_index_bits);
        return out8(rtc_data, value);
    }
    default:
        if (domain.io_ports.contains(port))
            out8(port, value);
    }
}

}

bool iopl_permits(const Vcpu& vcpu)
{
    const bool architectural = vcpu.domain->vm_assist_enabled(abi::VmassistType::architectural_iopl);
    const unsigned privilege = !vcpu.kernel_mode ? 3 : architectural ? 0 : 1;
    return vcpu.iopl >= privilege;
}

bool io_allowed(Vcpu& vcpu, u16 port, unsigned bytes)
{
    if (iopl_permits(vcpu))
        return true;
    if (!vcpu.io_bitmap || u32{port} + bytes > vcpu.io_bitmap_ports)
        return false;
    for (unsigned i = 0; i < bytes; ++i) {
        // The bitmap is the guest kernel's memory, which the user's page tables need not have.
        u8 byte = 0xff;
        const u64 address = vcpu.io_bitmap + (port + i) / 8;
        if (!guest_range_ok(address, 1) || machine::copy_from_guest_kernel(vcpu, &byte, address, 1) != 0)
            return false;
        if (byte >> ((port + i) % 8) & 1)
            return false;
    }
    return true;
}

u32 guest_in(Vcpu& vcpu, u16 port, unsigned bytes)
{
    Domain& domain = *vcpu.domain;
    if (is_direct(domain, port, bytes))
        return read_port(port, bytes);
    if (is_pci_address(port, bytes))
        return domain.pci_cf8;
    if (is_pci_data(port))
        return domain.is_hardware_domain ? pci_port_read(domain.pci_cf8, port, bytes) : ~u32{0};
    u32 value = 0;
    for (unsigned i = 0; i < bytes; ++i)
        value |= read_piece(domain, static_cast<u16>(port + i)) << (i * 8);
    return value;
}

void guest_out(Vcpu& vcpu, u16 port, unsigned bytes, u32 value)
{
    Domain& domain = *vcpu.domain;
    if (is_direct(domain, port, bytes))
        return write_port(port, bytes, value);
    if (is_pci_address(port, bytes)) {
        domain.pci_cf8 = value;
        return;
    }
    if (is_pci_data(port)) {
        if (domain.is_hardware_domain)
            pci_port_write(domain.pci_cf8, port, bytes, value);
        return;
    }
    for (unsigned i = 0; i < bytes; ++i)
        write_piece(domain, static_cast<u16>(port + i), static_cast<u8>(value >> (i * 8)));
}

}
