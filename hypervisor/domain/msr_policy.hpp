// What a PV guest's RDMSR and WRMSR come to.
//
// A decision, not the deed: most MSRs have a value that follows from the guest's CPU policy and a little state of its
// vCPU; for the rest the caller is told what to do. Xen 4.17's answers, down to which writes are silently dropped:
// kernels probe.
#pragma once

#include "hypervisor/base/types.hpp"
#include "hypervisor/domain/cpu_policy.hpp"

namespace xylem {

/// Machine-check banks that a guest sees. They hold no errors.
inline constexpr u32 vmce_banks = 2;

/// The MSRs that a vCPU has of its own.
struct VcpuMsrs {
    u64 mcg_status = 0;
    u64 mci_control2[vmce_banks] = {};
    bool cpuid_faulting = false; ///< asked for user mode, through MISC_FEATURES_ENABLES
    u32 tsc_aux = 0;
};

struct MsrContext {
    const CpuPolicy& policy;
    u32 vcpu_id = 0;
    bool is_hardware_domain = false;
    bool relaxed = false; ///< the domain was built with msr_relaxed; for reads also: it has no #GP handler yet
    u64 machine_efer = 0;
};

enum class MsrOutcome : u8 {
    Done,         ///< read: `value`; written: nothing more to do
    Fault,        ///< #GP(0)
    FsBase,       ///< a segment base, live; a write has been found canonical
    GsBase,       ///< the active one
    KernelGsBase, ///< the inactive one, user mode's
    Tsc,          ///< what RDTSC gives the guest
    Host,         ///< read the machine's MSR: (it & `mask`) | `value`; a fault of it is the guest's
    HostProbe,    ///< read the machine's MSR: if it is there the guest reads 0, or its write is dropped, else it faults
    HypercallPage ///< a write to 0x40000000: fill the page of frame value >> 12
};

struct MsrReply {
    MsrOutcome outcome = MsrOutcome::Fault;
    u64 value = 0;
    u64 mask = 0;
};

MsrReply read_guest_msr(u32 index, const MsrContext& context, const VcpuMsrs& msrs);
MsrReply write_guest_msr(u32 index, u64 value, const MsrContext& context, VcpuMsrs& msrs);

}
