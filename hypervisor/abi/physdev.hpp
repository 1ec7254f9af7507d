// physdev_op: interrupts, I/O privilege and PCI devices, as the kernel that drives the hardware sees them.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

enum class PhysdevCmd : uint32_t {
    irq_unmask_notify = 4,
    irq_status_query = 5,
    set_iopl = 6,
    set_iobitmap = 7,
    apic_read = 8,
    apic_write = 9,
    alloc_irq_vector = 10,
    free_irq_vector = 11,
    eoi = 12,
    map_pirq = 13,
    unmap_pirq = 14,
    manage_pci_add = 15,
    manage_pci_remove = 16,
    pirq_eoi_gmfn_v1 = 17,
    restore_msi = 19,
    manage_pci_add_ext = 20,
    setup_gsi = 21,
    get_free_pirq = 23,
    pci_mmcfg_reserved = 24,
    pci_device_add = 25,
    pci_device_remove = 26,
    restore_msi_ext = 27,
    pirq_eoi_gmfn_v2 = 28,
    dbgp_op = 29,
    prepare_msix = 30,
    release_msix = 31,
};

struct PhysdevEoi {
    uint32_t irq;
};

struct PhysdevPirqEoiGmfn {
    RawFrame gmfn;
};

struct PhysdevIrqStatusQuery {
    uint32_t irq;
    uint32_t flags; // irqstat_*
};

inline constexpr uint32_t irqstat_needs_eoi = 1U << 0;
inline constexpr uint32_t irqstat_shared = 1U << 1;

struct PhysdevSetIopl {
    uint32_t iopl;
};

struct PhysdevSetIobitmap {
    GuestHandle<uint8_t> bitmap;
    uint32_t nr_ports;
};

struct PhysdevApic {
    uint64_t apic_physbase;
    uint32_t reg;
    uint32_t value;
};

struct PhysdevIrq {
    uint32_t irq;
    uint32_t vector;
};

enum class MapPirqType : int32_t { msi = 0, gsi = 1, unknown = 2, msi_seg = 3, multi_msi = 4 };

struct PhysdevMapPirq {
    RawDomId domid;
    MapPirqType type;
    int32_t index;
    int32_t pirq;
    int32_t bus;
    int32_t devfn;
    int32_t entry_nr;
    uint64_t table_base;
};

struct PhysdevUnmapPirq {
    RawDomId domid;
    int32_t pirq;
};

/// For manage_pci_add, manage_pci_remove and restore_msi.
struct PhysdevManagePci {
    uint8_t bus;
    uint8_t devfn;
};

struct PhysdevManagePciExt {
    uint8_t bus;
    uint8_t devfn;
    uint32_t is_extfn;
    uint32_t is_virtfn;
    struct PhysicalFunction {
        uint8_t bus;
        uint8_t devfn;
    } physfn;
};

/// The tagged form that physdev_op_compat takes.
struct PhysdevOpCompat {
    PhysdevCmd cmd;
    union Argument {
        PhysdevIrqStatusQuery irq_status_query;
        PhysdevSetIopl set_iopl;
        PhysdevSetIobitmap set_iobitmap;
        PhysdevApic apic_op;
        PhysdevIrq irq_op;
    } u;
};

struct PhysdevSetupGsi {
    int32_t gsi;
    uint8_t triggering; // 0 edge, 1 level
    uint8_t polarity;   // 0 active high, 1 active low
};

struct PhysdevGetFreePirq {
    MapPirqType type;
    uint32_t pirq;
};

inline constexpr uint32_t pci_mmcfg_reserved_flag = 1;

struct PhysdevPciMmcfgReserved {
    uint64_t address;
    uint16_t segment;
    uint8_t start_bus;
    uint8_t end_bus;
    uint32_t flags;
};

inline constexpr uint32_t pci_dev_extfn = 1;
inline constexpr uint32_t pci_dev_virtfn = 2;
inline constexpr uint32_t pci_dev_pxm = 4;

/// Followed by one uint32_t, the proximity domain, when flags has pci_dev_pxm.
struct PhysdevPciDeviceAdd {
    uint16_t seg;
    uint8_t bus;
    uint8_t devfn;
    uint32_t flags;
    struct PhysicalFunction {
        uint8_t bus;
        uint8_t devfn;
    } physfn;
};

struct PhysdevPciDevice {
    uint16_t seg;
    uint8_t bus;
    uint8_t devfn;
};

inline constexpr uint8_t dbgp_reset_prepare = 1;
inline constexpr uint8_t dbgp_reset_done = 2;
inline constexpr uint8_t dbgp_bus_unknown = 0;
inline constexpr uint8_t dbgp_bus_pci = 1;

struct PhysdevDbgpOp {
    uint8_t op;
    uint8_t bus;
    PhysdevPciDevice pci;
};

}
