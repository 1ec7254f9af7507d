// sysctl: what a toolstack asks of the machine as a whole. One struct of 136 bytes carries every operation.
#pragma once

#include "hypervisor/abi/cpuid.hpp"
#include "hypervisor/abi/domctl.hpp"
#include "hypervisor/abi/physdev.hpp"
#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

inline constexpr uint32_t sysctl_interface_version = 0x15;

enum class SysctlCmd : uint32_t {
    readconsole = 1,
    tbuf_op = 2,
    physinfo = 3,
    sched_id = 4,
    perfc_op = 5,
    getdomaininfolist = 6,
    debug_keys = 7,
    getcpuinfo = 8,
    availheap = 9,
    get_pmstat = 10,
    cpu_hotplug = 11,
    pm_op = 12,
    page_offline_op = 14,
    lockprof_op = 15,
    cputopoinfo = 16,
    numainfo = 17,
    cpupool_op = 18,
    scheduler_op = 19,
    coverage_op = 20,
    psr_cmt_op = 21,
    pcitopoinfo = 22,
    psr_alloc = 23,
    get_cpu_levelling_caps = 25,
    get_cpu_featureset = 26,
    livepatch_op = 27,
    get_cpu_policy = 29,
};

struct SysctlReadconsole {
    uint8_t clear;
    uint8_t incremental;
    uint8_t pad0, pad1;
    uint32_t index;
    GuestHandle<char> buffer;
    uint32_t count;
};

enum class TbufCmd : uint32_t {
    get_info = 0,
    set_cpu_mask = 1,
    set_evt_mask = 2,
    set_size = 3,
    enable = 4,
    disable = 5
};

struct SysctlTbufOp {
    TbufCmd cmd;
    Bitmap cpu_mask;
    uint32_t evt_mask;
    uint64_t buffer_mfn;
    uint32_t size;
};

struct SysctlPhysinfo {
    uint32_t threads_per_core;
    uint32_t cores_per_socket;
    uint32_t nr_cpus;
    uint32_t max_cpu_id;
    uint32_t nr_nodes;
    uint32_t max_node_id;
    uint32_t cpu_khz;
    uint32_t capabilities; // physcap_*
    uint32_t arch_capabilities;
    uint32_t pad;
    uint64_t total_pages;
    uint64_t free_pages;
    uint64_t scrub_pages;
    uint64_t outstanding_pages;
    uint64_t max_mfn;
    uint32_t hw_cap[8];
};

inline constexpr uint32_t physcap_hvm = 1U << 0;
inline constexpr uint32_t physcap_pv = 1U << 1;
inline constexpr uint32_t physcap_directio = 1U << 2;
inline constexpr uint32_t physcap_hap = 1U << 3;
inline constexpr uint32_t physcap_shadow = 1U << 4;
inline constexpr uint32_t physcap_iommu_hap_pt_share = 1U << 5;
inline constexpr uint32_t physcap_vmtrace = 1U << 6;
inline constexpr uint32_t physcap_vpmu = 1U << 7;
inline constexpr uint32_t physcap_gnttab_v1 = 1U << 8;
inline constexpr uint32_t physcap_gnttab_v2 = 1U << 9;

struct SysctlSchedId {
    SchedulerId sched_id;
};

enum class PerfcCmd : uint32_t { reset = 1, query = 2 };

struct SysctlPerfcDesc {
    char name[80];
    uint32_t nr_vals;
};

struct SysctlPerfcOp {
    PerfcCmd cmd;
    uint32_t nr_counters;
    uint32_t nr_vals;
    GuestHandle<SysctlPerfcDesc> desc;
    GuestHandle<uint32_t> val;
};

struct SysctlGetdomaininfolist {
    RawDomId first_domain;
    uint32_t max_domains;
    GuestHandle<DomctlGetdomaininfo> buffer;
    uint32_t num_domains;
};

struct SysctlDebugKeys {
    GuestHandle<const char> keys;
    uint32_t nr_keys;
};

struct SysctlCpuinfo {
    uint64_t idletime;
};

struct SysctlGetcpuinfo {
    uint32_t max_cpus;
    GuestHandle<SysctlCpuinfo> info;
    uint32_t nr_cpus;
};

struct SysctlAvailheap {
    uint32_t min_bitwidth;
    uint32_t max_bitwidth;
    int32_t node;
    uint64_t avail_bytes;
};

struct SysctlCpuHotplug {
    uint32_t cpu;
    uint32_t op;
};

struct SysctlPageOfflineOp {
    uint32_t cmd;
    uint32_t start;
    uint32_t end;
    GuestHandle<uint32_t> status;
};

struct SysctlLockprofData {
    char name[40];
    int32_t type;
    int32_t idx;
    uint64_t lock_cnt;
    uint64_t block_cnt;
    uint64_t lock_time;
    uint64_t block_time;
};

struct SysctlLockprofOp {
    uint32_t cmd;
    uint32_t max_elem;
    uint32_t nr_elem;
    uint64_t time;
    GuestHandle<SysctlLockprofData> data;
};

inline constexpr uint32_t invalid_core_id = ~uint32_t{0};
inline constexpr uint32_t invalid_socket_id = ~uint32_t{0};
inline constexpr uint32_t invalid_node_id = ~uint32_t{0};

struct SysctlCputopo {
    uint32_t core;
    uint32_t socket;
    uint32_t node;
};

struct SysctlCputopoinfo {
    uint32_t num_cpus;
    GuestHandle<SysctlCputopo> cputopo;
};

inline constexpr uint32_t invalid_mem_sz = ~uint32_t{0};
inline constexpr uint32_t invalid_node_dist = ~uint32_t{0};

struct SysctlMeminfo {
    uint64_t memsize;
    uint64_t memfree;
};

struct SysctlNumainfo {
    uint32_t num_nodes;
    GuestHandle<SysctlMeminfo> meminfo;
    GuestHandle<uint32_t> distance;
};

enum class CpupoolCmd : uint32_t {
    create = 1,
    destroy = 2,
    info = 3,
    addcpu = 4,
    rmcpu = 5,
    movedomain = 6,
    freeinfo = 7,
};

inline constexpr uint32_t cpupool_par_any = 0xFFFF'FFFF;

struct SysctlCpupoolOp {
    CpupoolCmd op;
    uint32_t cpupool_id;
    SchedulerId sched_id;
    uint32_t domid;
    uint32_t cpu;
    uint32_t n_dom;
    Bitmap cpumap;
};

inline constexpr uint32_t sched_ratelimit_max_us = 500000;
inline constexpr uint32_t sched_ratelimit_min_us = 100;

enum class SysctlSchedopCmd : uint32_t { putinfo = 0, getinfo = 1 };

struct SysctlSchedulerOp {
    uint32_t cpupool_id;
    SchedulerId sched_id;
    SysctlSchedopCmd cmd;
    union Parameters {
        struct Arinc653 {
            GuestHandle<void> schedule;
        } sched_arinc653;
        struct Credit {
            uint32_t tslice_ms;
            uint32_t ratelimit_us;
            uint32_t vcpu_migr_delay_us;
        } sched_credit;
        struct Credit2 {
            uint32_t ratelimit_us;
        } sched_credit2;
    } u;
};

struct SysctlCoverageOp {
    uint32_t cmd;
    uint32_t size;
    GuestHandle<char> buffer;
};

struct SysctlPsrCmtOp {
    uint32_t cmd;
    uint32_t flags;
    union Answer {
        uint64_t data;
        struct L3Cache {
            uint32_t cpu;
            uint32_t rsvd;
        } l3_cache;
    } u;
};

inline constexpr uint32_t invalid_dev = invalid_node_id - 1;

struct SysctlPcitopoinfo {
    uint32_t num_devs;
    GuestHandle<PhysdevPciDevice> devs;
    GuestHandle<uint32_t> nodes;
};

struct SysctlPsrAlloc {
    uint32_t cmd;
    uint32_t target;
    struct Info {
        uint32_t max;
        uint32_t cos_max;
        uint32_t flags;
    } info;
};

struct SysctlCpuLevellingCaps {
    uint32_t caps;
};

enum class FeaturesetIndex : uint32_t { raw = 0, host = 1, pv = 2, hvm = 3, pv_max = 4, hvm_max = 5 };

struct SysctlCpuFeatureset {
    FeaturesetIndex index;
    uint32_t nr_features;
    GuestHandle<uint32_t> features;
};

enum class CpuPolicyIndex : uint32_t { raw = 0, host = 1, pv_max = 2, hvm_max = 3, pv_default = 4, hvm_default = 5 };

struct SysctlCpuPolicy {
    CpuPolicyIndex index;
    uint32_t nr_leaves;
    uint32_t nr_msrs;
    uint32_t rsvd;
    GuestHandle<CpuidLeaf> leaves;
    GuestHandle<MsrEntry> msrs;
};

struct Sysctl {
    SysctlCmd cmd;
    uint32_t interface_version;
    union Argument {
        SysctlReadconsole readconsole;
        SysctlTbufOp tbuf_op;
        SysctlPhysinfo physinfo;
        SysctlCputopoinfo cputopoinfo;
        SysctlPcitopoinfo pcitopoinfo;
        SysctlNumainfo numainfo;
        SysctlSchedId sched_id;
        SysctlPerfcOp perfc_op;
        SysctlGetdomaininfolist getdomaininfolist;
        SysctlDebugKeys debug_keys;
        SysctlGetcpuinfo getcpuinfo;
        SysctlAvailheap availheap;
        SysctlCpuHotplug cpu_hotplug;
        SysctlPageOfflineOp page_offline;
        SysctlLockprofOp lockprof_op;
        SysctlCpupoolOp cpupool_op;
        SysctlSchedulerOp scheduler_op;
        SysctlCoverageOp coverage_op;
        SysctlPsrCmtOp psr_cmt_op;
        SysctlPsrAlloc psr_alloc;
        SysctlCpuLevellingCaps cpu_levelling_caps;
        SysctlCpuFeatureset cpu_featureset;
        SysctlCpuPolicy cpu_policy;
        uint8_t pad[128];
    } u;
};

}
