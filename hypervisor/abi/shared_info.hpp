// shared_info: the page that a domain and the hypervisor both write: event bits, vCPU time, wall clock.
//
// Everything the hypervisor reads from it is hostile; what it writes it writes with atomic operations.
#pragma once

#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

/// So many vCPUs have their vcpu_info in shared_info; the others must register one.
inline constexpr uint32_t legacy_max_vcpus = 32;

struct VcpuTimeInfo {
    uint32_t version; // odd while being updated
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time; // nanoseconds since boot, at tsc_timestamp
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad1[2];
};

inline constexpr uint8_t pvclock_tsc_stable = 1 << 0;
inline constexpr uint8_t pvclock_guest_stopped = 1 << 1;

struct ArchVcpuInfo {
    uint64_t cr2;
    uint64_t pad;
};

struct VcpuInfo {
    uint8_t evtchn_upcall_pending;
    uint8_t evtchn_upcall_mask;
    uint64_t evtchn_pending_sel;
    ArchVcpuInfo arch;
    VcpuTimeInfo time;
};

struct ArchSharedInfo {
    uint64_t max_pfn;
    RawFrame pfn_to_mfn_frame_list_list;
    uint64_t nmi_reason;
    uint64_t p2m_cr3;
    uint64_t p2m_vaddr;
    uint64_t p2m_generation;
};

inline constexpr uint64_t nmireason_io_error = 1U << 0;
inline constexpr uint64_t nmireason_pci_serr = 1U << 1;

struct SharedInfo {
    VcpuInfo vcpu_info[legacy_max_vcpus];
    uint64_t evtchn_pending[64];
    uint64_t evtchn_mask[64];
    uint32_t wc_version; // odd while being updated
    uint32_t wc_sec;
    uint32_t wc_nsec;
    uint32_t wc_sec_hi;
    ArchSharedInfo arch;
};

}
