// platform_op: what only the kernel that runs the platform may do: set the clock, ask the firmware, sleep, count
// processors.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

inline constexpr uint32_t platform_interface_version = 0x0300'0001;

enum class PlatformCmd : uint32_t {
    settime32 = 17,
    add_memtype = 31,
    del_memtype = 32,
    read_memtype = 33,
    microcode_update = 35,
    platform_quirk = 39,
    get_cpu_version = 48,
    efi_runtime_call = 49,
    firmware_info = 50,
    enter_acpi_sleep = 51,
    change_freq = 52,
    getidletime = 53,
    set_processor_pminfo = 54,
    get_cpuinfo = 55,
    cpu_online = 56,
    cpu_offline = 57,
    cpu_hotadd = 58,
    mem_hotadd = 59,
    core_parking = 60,
    resource_op = 61,
    settime64 = 62,
    get_symbol = 63,
};

struct PlatformSettime32 {
    uint32_t secs;
    uint32_t nsecs;
    uint64_t system_time;
};

struct PlatformSettime64 {
    uint64_t secs;
    uint32_t nsecs;
    uint32_t mbz;
    uint64_t system_time;
};

struct PlatformAddMemtype {
    RawFrame mfn;
    uint64_t nr_mfns;
    uint32_t type;
    uint32_t handle;
    uint32_t reg;
};

struct PlatformDelMemtype {
    uint32_t handle;
    uint32_t reg;
};

struct PlatformReadMemtype {
    uint32_t reg;
    RawFrame mfn;
    uint64_t nr_mfns;
    uint32_t type;
};

struct PlatformMicrocodeUpdate {
    GuestHandle<const void> data;
    uint32_t length;
};

struct PlatformQuirk {
    uint32_t quirk_id;
};

enum class FirmwareInfoType : uint32_t {
    disk_info = 1,
    disk_mbr_signature = 2,
    vbeddc_info = 3,
    efi_info = 4,
    kbd_shift_flags = 5,
};

struct PlatformFirmwareInfo {
    FirmwareInfoType type;
    uint32_t index;
    union Info {
        struct DiskInfo {
            uint8_t device;
            uint8_t version;
            uint16_t interface_support;
            uint16_t legacy_max_cylinder;
            uint8_t legacy_max_head;
            uint8_t legacy_sectors_per_track;
            GuestHandle<void> edd_params;
        } disk_info;
        struct DiskMbrSignature {
            uint8_t device;
            uint32_t mbr_signature;
        } disk_mbr_signature;
        struct VbeddcInfo {
            uint8_t capabilities;
            uint8_t edid_transfer_time;
            GuestHandle<uint8_t> edid;
        } vbeddc_info;
        union EfiInfo {
            uint32_t version;
            struct Cfg {
                uint64_t addr;
                uint32_t nent;
            } cfg;
            struct Vendor {
                uint32_t revision;
                uint32_t bufsz;
                GuestHandle<void> name;
            } vendor;
            struct Mem {
                uint64_t addr;
                uint64_t size;
                uint64_t attr;
                uint32_t type;
            } mem;
            struct PciRom {
                uint16_t segment;
                uint8_t bus;
                uint8_t devfn;
                uint16_t vendor;
                uint16_t devid;
                uint64_t address;
                uint64_t size;
            } pci_rom;
        } efi_info;
        uint8_t kbd_shift_flags;
    } u;
};

struct PlatformEnterAcpiSleep {
    uint16_t val_a; // PM1a, or the sleep type of an extended register
    uint16_t val_b;
    uint32_t sleep_state;
    uint32_t flags;
};

inline constexpr uint32_t acpi_sleep_extended = 1;

struct PlatformChangeFreq {
    uint32_t flags;
    uint32_t cpu;
    uint64_t freq;
};

struct PlatformGetidletime {
    GuestHandle<uint8_t> cpumap_bitmap;
    uint32_t cpumap_nr_cpus;
    GuestHandle<uint64_t> idletime;
    uint64_t now;
};

enum class PminfoType : uint32_t { cx = 0, px = 1, tx = 2, pdc = 3 };

/// Power states and frequencies, which dom0 reads from ACPI. What follows `id` and `type` depends on the type; nothing
/// here looks into it.
struct PlatformSetProcessorPminfo {
    uint32_t id;
    PminfoType type;
    uint64_t u[13];
};

struct PlatformPcpuinfo {
    uint32_t xen_cpuid;
    uint32_t max_present;
    uint32_t flags; // pcpu_flags_*
    uint32_t apic_id;
    uint32_t acpi_id;
};

inline constexpr uint32_t pcpu_flags_online = 1;
inline constexpr uint32_t pcpu_flags_invalid = 2;

struct PlatformPcpuVersion {
    uint32_t xen_cpuid;
    uint32_t max_present;
    char vendor_id[12];
    uint32_t family;
    uint32_t model;
    uint32_t stepping;
};

struct PlatformCpuOl {
    uint32_t cpuid;
};

struct PlatformCpuHotadd {
    uint32_t apic_id;
    uint32_t acpi_id;
    uint32_t pxm;
};

struct PlatformMemHotadd {
    uint64_t spfn;
    uint64_t epfn;
    uint32_t pxm;
    uint32_t flags;
};

struct PlatformCoreParking {
    uint32_t type;
    uint32_t idle_nums;
};

struct PlatformResourceOp {
    uint32_t nr_entries;
    uint32_t cpu;
    GuestHandle<void> entries;
};

struct PlatformSymdata {
    uint32_t namelen;
    uint32_t symnum;
    GuestHandle<char> name;
    uint64_t address;
    char type;
};

struct PlatformOp {
    PlatformCmd cmd;
    uint32_t interface_version;
    union Argument {
        PlatformSettime32 settime32;
        PlatformSettime64 settime64;
        PlatformAddMemtype add_memtype;
        PlatformDelMemtype del_memtype;
        PlatformReadMemtype read_memtype;
        PlatformMicrocodeUpdate microcode;
        PlatformQuirk platform_quirk;
        PlatformFirmwareInfo firmware_info;
        PlatformEnterAcpiSleep enter_acpi_sleep;
        PlatformChangeFreq change_freq;
        PlatformGetidletime getidletime;
        PlatformSetProcessorPminfo set_pminfo;
        PlatformPcpuinfo pcpu_info;
        PlatformPcpuVersion pcpu_version;
        PlatformCpuOl cpu_ol;
        PlatformCpuHotadd cpu_add;
        PlatformMemHotadd mem_add;
        PlatformCoreParking core_parking;
        PlatformResourceOp resource_op;
        PlatformSymdata symdata;
        uint8_t pad[128];
    } u;
};

}
