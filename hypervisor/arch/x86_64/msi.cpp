// MSI and MSI-X capabilities. (PCI specification, 6.8)

#include "hypervisor/arch/x86_64/msi.hpp"

#include "hypervisor/arch/x86_64/io.hpp"
#include "hypervisor/arch/x86_64/paging.hpp"
#include "hypervisor/base/lock.hpp"

#include <iterator>

namespace xylem::arch {
namespace {

constexpr u8 capability_msi = 5, capability_msix = 17;
constexpr unsigned control = 2, message_address = 4, first_bar = 0x10;
constexpr u32 control_64_bit = 1 << 7, control_maskable = 1 << 8;
constexpr u32 entry_words = 4, entry_bytes = entry_words * 4;

u32 read_control(PciAddress device, unsigned capability)
{
    return pci_read(device, capability + control, 2);
}

unsigned data_offset(u32 msi_control)
{
    return msi_control & control_64_bit ? 12 : 8;
}

/// The memory that a base address register stands for; 0 if it is a port or not set.
u64 bar_address(PciAddress device, unsigned bar)
{
    if (bar > 5)
        return 0;
    const unsigned at = first_bar + 4 * bar;
    const u32 low = pci_read(device, at, 4);
    constexpr u32 is_port = 1, type = 6, type_64_bit = 4;
    if (low & is_port)
        return 0;
    const u64 high = (low & type) == type_64_bit && bar < 5 ? pci_read(device, at + 4, 4) : 0;
    return high << 32 | (low & ~15U);
}

/// Pages of MSI-X tables that are mapped. They stay so: drivers come and go more often than devices.
struct TablePage {
    u64 address;
    volatile u8* registers;
};
TablePage table_pages[256];
unsigned table_page_count = 0;
SpinLock table_lock{LockRank::domctl};

/// @return null if there are too many
volatile u8* map_table_page(u64 address)
{
    LockGuard guard(table_lock);
    for (unsigned i = 0; i < table_page_count; ++i)
        if (table_pages[i].address == address)
            return table_pages[i].registers;
    if (table_page_count == std::size(table_pages))
        return nullptr;
    volatile u8* registers = map_device<volatile u8>(MachineAddress(address), page_size);
    table_pages[table_page_count++] = {address, registers};
    return registers;
}

bool find_msix_entry(MessageSource& source, u32 index)
{
    const u32 size = (read_control(source.device, source.capability) & 0x7ff) + 1;
    const u32 table = pci_read(source.device, source.capability + 4, 4);
    const u64 base = bar_address(source.device, table & 7);
    if (index >= size || base == 0)
        return false;
    const u64 address = base + (table & ~7U) + u64{index} * entry_bytes;
    volatile u8* page = map_table_page(round_down_to_page(address));
    source.entry = page ? reinterpret_cast<volatile u32*>(page + (address & ~page_mask)) : nullptr;
    return page;
}

}

bool find_message_source(PciAddress device, bool msix, u32 index, MessageSource& source)
{
    source = {device, pci_find_capability(device, msix ? capability_msix : capability_msi), static_cast<u16>(index),
              msix, nullptr};
    if (source.capability == 0)
        return false;
    return msix ? find_msix_entry(source, index) : index < most_messages(device, source.capability);
}

u32 most_messages(PciAddress device, unsigned capability)
{
    return 1U << (read_control(device, capability) >> 1 & 7);
}

void write_message(const MessageSource& source, const MsiMessage& message, u32 run)
{
    if (source.msix) {
        device_write<u32>(source.entry + 0, static_cast<u32>(message.address));
        device_write<u32>(source.entry + 1, static_cast<u32>(message.address >> 32));
        device_write<u32>(source.entry + 2, message.data);
        return;
    }
    const u32 was = read_control(source.device, source.capability);
    pci_write(source.device, source.capability + message_address, 4, static_cast<u32>(message.address));
    if (was & control_64_bit)
        pci_write(source.device, source.capability + message_address + 4, 4, static_cast<u32>(message.address >> 32));
    pci_write(source.device, source.capability + data_offset(was), 2, message.data);
    constexpr u32 run_shift = 4, run_mask = 7 << run_shift;
    const u32 log_run = static_cast<u32>(__builtin_ctz(run));
    pci_write(source.device, source.capability + control, 2, (was & ~run_mask) | log_run << run_shift);
}

void mask_message(const MessageSource& source, bool masked)
{
    if (source.msix) {
        device_write<u32>(source.entry + 3, masked);
        device_read<u32>(source.entry + 3); // the write has arrived when the read returns
        return;
    }
    const u32 features = read_control(source.device, source.capability);
    if (!(features & control_maskable))
        return;
    const unsigned at = source.capability + data_offset(features) + 4;
    const u32 bit = 1U << source.index, was = pci_read(source.device, at, 4);
    pci_write(source.device, at, 4, masked ? was | bit : was & ~bit);
}

}
