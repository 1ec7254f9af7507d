// memory_op: what a domain holds of the machine's memory, and maps of it.
#pragma once

#include "hypervisor/abi/physdev.hpp"
#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

enum class MemoryCmd : uint32_t {
    increase_reservation = 0,
    decrease_reservation = 1,
    maximum_ram_page = 2,
    current_reservation = 3,
    maximum_reservation = 4,
    machphys_mfn_list = 5,
    populate_physmap = 6,
    add_to_physmap = 7,
    memory_map = 9,
    machine_memory_map = 10,
    exchange = 11,
    machphys_mapping = 12,
    set_memory_map = 13,
    maximum_gpfn = 14,
    remove_from_physmap = 15,
    set_pod_target = 16,
    get_pod_target = 17,
    get_sharing_freed_pages = 18,
    get_sharing_shared_pages = 19,
    paging_op = 20,
    access_op = 21,
    sharing_op = 22,
    add_to_physmap_batch = 23,
    claim_pages = 24,
    machphys_compat_mfn_list = 25,
    get_vnumainfo = 26,
    reserved_device_memory_map = 27,
    acquire_resource = 28,
};

/// The command of memory_op carries the progress of a preempted call above this bit.
inline constexpr unsigned memop_extent_shift = 6;
inline constexpr uint64_t memop_cmd_mask = (uint64_t{1} << memop_extent_shift) - 1;

struct MemoryReservation {
    GuestHandle<RawFrame> extent_start;
    uint64_t nr_extents;
    uint32_t extent_order;
    uint32_t mem_flags; // memf_*
    RawDomId domid;
};

inline constexpr uint32_t memf_address_bits_mask = 0xFF;
inline constexpr unsigned memf_node_shift = 8; // holds the node's number plus one
inline constexpr uint32_t memf_node_mask = 0xFF00;
inline constexpr uint32_t memf_populate_on_demand = 1U << 16;
inline constexpr uint32_t memf_exact_node_request = 1U << 17;
inline constexpr uint32_t memf_vnode = 1U << 18;

struct MemoryExchange {
    MemoryReservation in;
    MemoryReservation out;
    uint64_t nr_exchanged;
};

/// For current_reservation, maximum_reservation and maximum_gpfn.
struct MemoryDomain {
    RawDomId domid;
};

struct MachphysMfnList {
    uint32_t max_extents;
    GuestHandle<RawFrame> extent_start;
    uint32_t nr_extents;
};

struct MachphysMapping {
    uint64_t v_start, v_end;
    uint64_t max_mfn;
};

enum class MapSpace : uint32_t {
    shared_info = 0,
    grant_table = 1,
    gmfn = 2,
    gmfn_range = 3,
    gmfn_foreign = 4,
    dev_mmio = 5,
};

inline constexpr uint64_t mapidx_grant_table_status = 0x8000'0000;

struct AddToPhysmap {
    RawDomId domid;
    uint16_t size;
    MapSpace space;
    uint64_t idx;
    RawFrame gpfn;
};

struct AddToPhysmapBatch {
    RawDomId domid;
    uint16_t space; // MapSpace
    uint16_t size;
    RawDomId foreign_domid;
    GuestHandle<uint64_t> idxs;
    GuestHandle<RawFrame> gpfns;
    GuestHandle<int32_t> errs;
};

struct RemoveFromPhysmap {
    RawDomId domid;
    RawFrame gpfn;
};

struct MemoryMap {
    uint32_t nr_entries;
    GuestHandle<void> buffer; // E820Entry
};

struct ForeignMemoryMap {
    RawDomId domid;
    MemoryMap map;
};

/// One range of a BIOS memory map, packed as the BIOS packs it.
struct [[gnu::packed]] E820Entry {
    uint64_t addr;
    uint64_t size;
    uint32_t type;
};

static_assert(sizeof(E820Entry) == 20);

enum class E820Type : uint32_t { ram = 1, reserved = 2, acpi = 3, nvs = 4, unusable = 5 };

struct PodTarget {
    uint64_t target_pages;
    uint64_t tot_pages;
    uint64_t pod_cache_pages;
    uint64_t pod_entries;
    RawDomId domid;
};

struct ReservedDeviceMemory {
    RawFrame start_pfn;
    uint64_t nr_pages;
};

inline constexpr uint32_t rdm_all = 1;

struct ReservedDeviceMemoryMap {
    uint32_t flags;
    uint32_t nr_entries;
    GuestHandle<ReservedDeviceMemory> buffer;
    PhysdevPciDevice pci;
};

enum class ResourceType : uint16_t { ioreq_server = 0, grant_table = 1, vmtrace_buf = 2 };

inline constexpr uint32_t resource_grant_table_id_shared = 0;
inline constexpr uint32_t resource_grant_table_id_status = 1;

struct MemAcquireResource {
    RawDomId domid;
    ResourceType type;
    uint32_t id;
    uint32_t nr_frames;
    uint32_t pad;
    uint64_t frame;
    GuestHandle<RawFrame> frame_list;
};

struct Vmemrange {
    uint64_t start, end;
    uint32_t flags;
    uint32_t nid;
};

struct VnumaTopologyInfo {
    RawDomId domid;
    uint16_t pad;
    uint32_t nr_vnodes;
    uint32_t nr_vcpus;
    uint32_t nr_vmemranges;
    GuestHandle<uint32_t> vdistance;
    GuestHandle<uint32_t> vcpu_to_vnode;
    GuestHandle<Vmemrange> vmemrange;
};

}
