// domctl: what a toolstack does to a domain. One struct of 144 bytes carries every operation.
#pragma once

#include "hypervisor/abi/cpuid.hpp"
#include "hypervisor/abi/types.hpp"
#include "hypervisor/abi/vcpu.hpp"

namespace xylem::abi {

inline constexpr uint32_t domctl_interface_version = 0x15;

enum class DomctlCmd : uint32_t {
    createdomain = 1,
    destroydomain = 2,
    pausedomain = 3,
    unpausedomain = 4,
    getdomaininfo = 5,
    setvcpuaffinity = 9,
    shadow_op = 10,
    max_mem = 11,
    setvcpucontext = 12,
    getvcpucontext = 13,
    getvcpuinfo = 14,
    max_vcpus = 15,
    scheduler_op = 16,
    setdomainhandle = 17,
    setdebugging = 18,
    irq_permission = 19,
    iomem_permission = 20,
    ioport_permission = 21,
    hypercall_init = 22,
    settimeoffset = 24,
    getvcpuaffinity = 25,
    resumedomain = 27,
    sendtrigger = 28,
    subscribe = 29,
    gethvmcontext = 33,
    sethvmcontext = 34,
    set_address_size = 35,
    get_address_size = 36,
    assign_device = 37,
    bind_pt_irq = 38,
    memory_mapping = 39,
    ioport_mapping = 40,
    set_ext_vcpucontext = 42,
    get_ext_vcpucontext = 43,
    test_assign_device = 45,
    set_target = 46,
    deassign_device = 47,
    unbind_pt_irq = 48,
    get_device_group = 50,
    debug_op = 54,
    gethvmcontext_partial = 55,
    vm_event_op = 56,
    mem_sharing_op = 57,
    gettscinfo = 59,
    settscinfo = 60,
    getpageframeinfo3 = 61,
    setvcpuextstate = 62,
    getvcpuextstate = 63,
    set_access_required = 64,
    audit_p2m = 65,
    set_virq_handler = 66,
    set_broken_page_p2m = 67,
    setnodeaffinity = 68,
    getnodeaffinity = 69,
    cacheflush = 71,
    get_vcpu_msrs = 72,
    set_vcpu_msrs = 73,
    setvnumainfo = 74,
    psr_cmt_op = 75,
    monitor_op = 77,
    psr_alloc = 78,
    soft_reset = 79,
    vuart_op = 81,
    get_cpu_policy = 82,
    set_cpu_policy = 83,
    vmtrace_op = 84,
    get_paging_mempool_size = 85,
    set_paging_mempool_size = 86,
    gdbsx_guestmemio = 1000,
    gdbsx_pausevcpu = 1001,
    gdbsx_unpausevcpu = 1002,
    gdbsx_domstatus = 1003,
};

struct ArchDomainConfig {
    uint32_t emulation_flags; // x86_emu_*
    uint32_t misc_flags;      // x86_msr_relaxed
};

inline constexpr uint32_t x86_emu_lapic = 1U << 0;
inline constexpr uint32_t x86_emu_hpet = 1U << 1;
inline constexpr uint32_t x86_emu_pm = 1U << 2;
inline constexpr uint32_t x86_emu_rtc = 1U << 3;
inline constexpr uint32_t x86_emu_ioapic = 1U << 4;
inline constexpr uint32_t x86_emu_pic = 1U << 5;
inline constexpr uint32_t x86_emu_vga = 1U << 6;
inline constexpr uint32_t x86_emu_iommu = 1U << 7;
inline constexpr uint32_t x86_emu_pit = 1U << 8;
inline constexpr uint32_t x86_emu_use_pirq = 1U << 9;
inline constexpr uint32_t x86_emu_vpci = 1U << 10;
inline constexpr uint32_t x86_emu_all = (1U << 11) - 1;
inline constexpr uint32_t x86_msr_relaxed = 1U << 0;

struct DomctlCreatedomain {
    uint32_t ssidref;
    DomainHandle handle;
    uint32_t flags; // cdf_*
    uint32_t iommu_opts;
    uint32_t max_vcpus;
    uint32_t max_evtchn_port;
    int32_t max_grant_frames;
    int32_t max_maptrack_frames;
    uint32_t grant_opts; // low four bits: the highest grant table version
    uint32_t vmtrace_size;
    uint32_t cpupool_id;
    ArchDomainConfig arch;
};

inline constexpr uint32_t cdf_hvm = 1U << 0;
inline constexpr uint32_t cdf_hap = 1U << 1;
inline constexpr uint32_t cdf_s3_integrity = 1U << 2;
inline constexpr uint32_t cdf_oos_off = 1U << 3;
inline constexpr uint32_t cdf_xs_domain = 1U << 4;
inline constexpr uint32_t cdf_iommu = 1U << 5;
inline constexpr uint32_t cdf_nested_virt = 1U << 6;
inline constexpr uint32_t cdf_vpmu = 1U << 7;
inline constexpr uint32_t cdf_max = cdf_vpmu;
inline constexpr uint32_t domctl_grant_version_mask = 0xF;

struct DomctlGetdomaininfo {
    RawDomId domain;
    uint16_t pad1;
    uint32_t flags; // dominf_*
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t outstanding_pages;
    uint64_t shr_pages;
    uint64_t paged_pages;
    uint64_t shared_info_frame;
    uint64_t cpu_time;
    uint32_t nr_online_vcpus;
    uint32_t max_vcpu_id;
    uint32_t ssidref;
    DomainHandle handle;
    uint32_t cpupool;
    uint8_t gpaddr_bits;
    uint8_t pad2[7];
    ArchDomainConfig arch_config;
};

inline constexpr uint32_t dominf_dying = 1U << 0;
inline constexpr uint32_t dominf_hvm_guest = 1U << 1;
inline constexpr uint32_t dominf_shutdown = 1U << 2;
inline constexpr uint32_t dominf_paused = 1U << 3;
inline constexpr uint32_t dominf_blocked = 1U << 4;
inline constexpr uint32_t dominf_running = 1U << 5;
inline constexpr uint32_t dominf_debugged = 1U << 6;
inline constexpr uint32_t dominf_xs_domain = 1U << 7;
inline constexpr uint32_t dominf_hap = 1U << 8;
inline constexpr uint32_t dominf_shutdownmask = 255;
inline constexpr unsigned dominf_shutdownshift = 16;
inline constexpr uint32_t invalid_max_vcpu_id = ~uint32_t{0};

struct DomctlGetpageframeinfo3 {
    uint64_t num;
    GuestHandle<RawFrame> array;
};

inline constexpr uint32_t pfinfo_notab = 0;
inline constexpr uint32_t pfinfo_l1tab = 1U << 28;
inline constexpr uint32_t pfinfo_l2tab = 2U << 28;
inline constexpr uint32_t pfinfo_l3tab = 3U << 28;
inline constexpr uint32_t pfinfo_l4tab = 4U << 28;
inline constexpr uint32_t pfinfo_ltabtype_mask = 7U << 28;
inline constexpr uint32_t pfinfo_lpintab = 1U << 31;
inline constexpr uint32_t pfinfo_xtab = 0xFU << 28;
inline constexpr uint32_t pfinfo_xalloc = 0xEU << 28;
inline constexpr uint32_t pfinfo_broken = 0xDU << 28;
inline constexpr uint32_t pfinfo_ltab_mask = 0xFU << 28;

enum class ShadowCmd : uint32_t {
    off = 0,
    enable_test = 1,
    enable_logdirty = 2,
    clean = 11,
    peek = 12,
    get_allocation = 30,
    set_allocation = 31,
    enable = 32,
};

struct DomctlShadowOp {
    ShadowCmd op;
    uint32_t mode;
    uint32_t mb;
    GuestHandle<uint8_t> dirty_bitmap;
    uint64_t pages;
    struct Stats {
        uint32_t fault_count;
        uint32_t dirty_count;
    } stats;
};

struct DomctlMaxMem {
    uint64_t max_memkb;
};

struct DomctlVcpucontext {
    uint32_t vcpu;
    GuestHandle<VcpuGuestContext> ctxt;
};

struct DomctlGetvcpuinfo {
    uint32_t vcpu;
    uint8_t online;
    uint8_t blocked;
    uint8_t running;
    uint64_t cpu_time;
    uint32_t cpu;
};

struct DomctlNodeaffinity {
    Bitmap nodemap;
};

struct DomctlVcpuaffinity {
    uint32_t vcpu;
    uint32_t flags; // vcpuaffinity_*
    Bitmap cpumap_hard;
    Bitmap cpumap_soft;
};

inline constexpr uint32_t vcpuaffinity_hard = 1U << 0;
inline constexpr uint32_t vcpuaffinity_soft = 1U << 1;
inline constexpr uint32_t vcpuaffinity_force = 1U << 2;

struct DomctlMaxVcpus {
    uint32_t max;
};

enum class SchedulerId : uint32_t { credit = 5, credit2 = 6, arinc653 = 7, rtds = 8, null = 9 };

struct DomctlSchedCredit {
    uint16_t weight;
    uint16_t cap;
};

struct DomctlSchedRtds {
    uint32_t period;
    uint32_t budget;
    uint32_t flags;
};

struct DomctlSchedparamVcpu {
    union Parameters {
        DomctlSchedCredit credit;
        DomctlSchedCredit credit2;
        DomctlSchedRtds rtds;
    } u;
    uint32_t vcpuid;
};

enum class DomctlSchedopCmd : uint32_t { putinfo = 0, getinfo = 1, putvcpuinfo = 2, getvcpuinfo = 3 };

struct DomctlSchedulerOp {
    SchedulerId sched_id;
    DomctlSchedopCmd cmd;
    union Parameters {
        DomctlSchedCredit credit;
        DomctlSchedCredit credit2;
        DomctlSchedRtds rtds;
        struct Vcpus {
            GuestHandle<DomctlSchedparamVcpu> vcpus;
            uint32_t nr_vcpus;
            uint32_t padding;
        } v;
    } u;
};

struct DomctlSetdomainhandle {
    DomainHandle handle;
};

struct DomctlSetdebugging {
    uint8_t enable;
};

struct DomctlIrqPermission {
    uint32_t pirq;
    uint8_t allow_access;
    uint8_t pad[3];
};

struct DomctlIomemPermission {
    uint64_t first_mfn;
    uint64_t nr_mfns;
    uint8_t allow_access;
};

struct DomctlIoportPermission {
    uint32_t first_port;
    uint32_t nr_ports;
    uint8_t allow_access;
};

struct DomctlHypercallInit {
    uint64_t gmfn;
};

struct DomctlSettimeoffset {
    int64_t time_offset_seconds;
};

struct DomctlHvmcontext {
    uint32_t size;
    GuestHandle<uint8_t> buffer;
};

struct DomctlAddressSize {
    uint32_t size;
};

enum class TriggerType : uint32_t { nmi = 0, reset = 1, init = 2, power = 3, sleep = 4 };

struct DomctlSendtrigger {
    TriggerType trigger;
    uint32_t vcpu;
};

struct DomctlExtVcpucontext {
    uint32_t vcpu;
    uint32_t size; // of what follows the two words, as far as the caller knows it
    uint64_t syscall32_callback_eip;
    uint64_t sysenter_callback_eip;
    uint16_t syscall32_callback_cs;
    uint16_t sysenter_callback_cs;
    uint8_t syscall32_disables_events;
    uint8_t sysenter_disables_events;
    struct Vmce {
        uint64_t caps;
        uint64_t mci_ctl2_bank0;
        uint64_t mci_ctl2_bank1;
        uint64_t mcg_ext_ctl;
    } vmce;
};

struct DomctlSetTarget {
    RawDomId target;
};

struct DomctlCpuPolicy {
    uint32_t nr_leaves;
    uint32_t nr_msrs;
    GuestHandle<CpuidLeaf> leaves;
    GuestHandle<MsrEntry> msrs;
    uint32_t err_leaf, err_subleaf, err_msr;
};

struct DomctlSubscribe {
    uint32_t port;
};

struct DomctlDebugOp {
    uint32_t op;
    uint32_t vcpu;
};

enum class TscMode : uint32_t { normal = 0, always_emulate = 1, never_emulate = 2, pvrdtscp = 3 };

struct DomctlTscInfo {
    TscMode tsc_mode;
    uint32_t gtsc_khz;
    uint32_t incarnation;
    uint32_t pad;
    uint64_t elapsed_nsec;
};

struct DomctlSetVirqHandler {
    uint32_t virq;
};

struct DomctlVcpuextstate {
    uint32_t vcpu;
    uint64_t xfeature_mask;
    uint64_t size;
    GuestHandle<uint64_t> buffer;
};

struct DomctlCacheflush {
    RawFrame start_pfn, nr_pfns;
};

struct DomctlPagingMempool {
    uint64_t size;
};

struct DomctlVcpuMsr {
    uint32_t index;
    uint32_t reserved;
    uint64_t value;
};

struct DomctlVcpuMsrs {
    uint32_t vcpu;
    uint32_t msr_count;
    GuestHandle<DomctlVcpuMsr> msrs;
};

struct DomctlVnuma {
    uint32_t nr_vnodes;
    uint32_t nr_vmemranges;
    uint32_t nr_vcpus;
    uint32_t pad;
    GuestHandle<uint32_t> vdistance;
    GuestHandle<uint32_t> vcpu_to_vnode;
    GuestHandle<uint32_t> vnode_to_pnode;
    GuestHandle<void> vmemrange;
};

/// An operation that is not in the union is one that a PV host refuses without reading further.
struct Domctl {
    DomctlCmd cmd;
    uint32_t interface_version;
    RawDomId domain;
    uint16_t pad[3];
    union Argument {
        DomctlCreatedomain createdomain;
        DomctlGetdomaininfo getdomaininfo;
        DomctlGetpageframeinfo3 getpageframeinfo3;
        DomctlNodeaffinity nodeaffinity;
        DomctlVcpuaffinity vcpuaffinity;
        DomctlShadowOp shadow_op;
        DomctlMaxMem max_mem;
        DomctlVcpucontext vcpucontext;
        DomctlGetvcpuinfo getvcpuinfo;
        DomctlMaxVcpus max_vcpus;
        DomctlSchedulerOp scheduler_op;
        DomctlSetdomainhandle setdomainhandle;
        DomctlSetdebugging setdebugging;
        DomctlIrqPermission irq_permission;
        DomctlIomemPermission iomem_permission;
        DomctlIoportPermission ioport_permission;
        DomctlHypercallInit hypercall_init;
        DomctlSettimeoffset settimeoffset;
        DomctlTscInfo tsc_info;
        DomctlHvmcontext hvmcontext;
        DomctlAddressSize address_size;
        DomctlSendtrigger sendtrigger;
        DomctlExtVcpucontext ext_vcpucontext;
        DomctlSetTarget set_target;
        DomctlSubscribe subscribe;
        DomctlDebugOp debug_op;
        DomctlCpuPolicy cpu_policy;
        DomctlVcpuextstate vcpuextstate;
        DomctlVcpuMsrs vcpu_msrs;
        DomctlSetVirqHandler set_virq_handler;
        DomctlCacheflush cacheflush;
        DomctlVnuma vnuma;
        DomctlPagingMempool paging_mempool;
        uint8_t pad[128];
    } u;
};

}
