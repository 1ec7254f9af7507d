// The processor that a guest sees: its CPUID leaves and the few MSRs that go with them.
//
// There are four policies of the machine (raw: what CPUID says; host: what we use of that; PV max: the most a PV guest
// may be given; PV default: what it is given unless its builder asks otherwise) and one of each domain, which begins as
// a copy of PV default. Tools read all of them and write a domain's before it starts.
// (xen/include/public/{sysctl,domctl}.h, arch-x86/cpufeatureset.h)
#pragma once

#include "hypervisor/abi/cpuid.hpp"
#include "hypervisor/base/result.hpp"
#include "hypervisor/base/types.hpp"

#include <span>

namespace xylem {

struct CpuidResult {
    u32 a = 0, b = 0, c = 0, d = 0;
    bool operator==(const CpuidResult&) const = default;
};

/// The machine's CPUID instruction, or a recording of one.
struct CpuidSource {
    CpuidResult (*read)(const void* context, u32 leaf, u32 subleaf);
    const void* context = nullptr;

    CpuidResult operator()(u32 leaf, u32 subleaf = 0) const { return read(context, leaf, subleaf); }
};

enum class CpuVendor : u8 { Unknown, Intel, Amd, Hygon, Centaur, Shanghai };

inline constexpr u32 featureset_words = 19;

/// One processor, described. Leaves with subleaves (4, 7, 0xb, 0xd) have arrays of their own; their entries in `basic`
/// are not used.
struct CpuPolicy {
    static constexpr u32 basic_leaves = 0xe, cache_subleaves = 6, feature_subleaves = 3, topology_subleaves = 2,
                         xstate_subleaves = 63, extended_leaves = 0x22;
    /// What serialise() can produce at most.
    static constexpr u32 max_serialised_leaves = basic_leaves - 4 + cache_subleaves + feature_subleaves +
                                                 topology_subleaves + xstate_subleaves + 2 + extended_leaves;
    static constexpr u32 max_serialised_msrs = 2;

    CpuidResult basic[basic_leaves];
    CpuidResult cache[cache_subleaves];       // leaf 4
    CpuidResult feature[feature_subleaves];   // leaf 7
    CpuidResult topology[topology_subleaves]; // leaf 0xb
    CpuidResult xstate[xstate_subleaves];     // leaf 0xd
    CpuidResult extended[extended_leaves];    // 0x80000000..
    u32 hypervisor_limit = 0, second_hypervisor_limit = 0;
    CpuVendor vendor = CpuVendor::Unknown;
    u64 platform_info = 0;     // MSR 0xce; bit 31: CPUID can fault
    u64 arch_capabilities = 0; // MSR 0x10a

    u32 max_leaf() const { return basic[0].a; }
    u32 max_extended_leaf() const { return extended[0].a; }
};
static_assert(CpuPolicy::max_serialised_leaves == 120);

/// The machine's policies, made once at boot.
struct CpuPolicies {
    CpuPolicy raw, host, pv_max, pv_default;
};

/// What the machine tells beside CPUID.
struct HostMsrs {
    u64 platform_info = 0;     // 0 where the MSR is not there
    u64 arch_capabilities = 0; // likewise
    bool cpuid_faulting = false;
};

void make_cpu_policies(CpuPolicies& out, const CpuidSource& cpuid, const HostMsrs& msrs);

/// Makes `policy`, a copy of PV default, that of dom0: it never migrates, so it is shown an invariant TSC.
void adapt_policy_to_dom0(CpuPolicy& policy, const CpuPolicies& machine);

/// What the answer to a guest's CPUID depends on beside its policy.
struct GuestCpuidContext {
    u32 vcpu_id = 0;
    bool is_hardware_domain = false;
    bool guest_kernel_mode = true;
    bool forced_emulation = true; ///< asked by the UD2 prefix, not by a faulting CPUID
    bool guest_osxsave = false;   ///< the guest's CR4.OSXSAVE
    bool machine_osxsave = false; ///< ours
    u64 xcr0 = 1;                 ///< the guest's
    unsigned machine_address_bits =
        44; ///< of the highest frame that the machine may have, at most 44: grants v1 suffice
    // Leaf 0x40000003: time.
    bool tsc_emulated = false, tsc_stable = false;
    u32 tsc_mode = 0, tsc_khz = 0, tsc_incarnation = 0;
    u64 tsc_offset = 0;
    u32 tsc_to_system_mul = 0;
    i8 tsc_shift = 0;
    u32 host_tsc_khz = 0;
};

CpuidResult guest_cpuid(const CpuPolicy& policy, const CpuPolicies& machine, const GuestCpuidContext& context, u32 leaf,
                        u32 subleaf);

/// The feature words in the order of the public header.
void get_featureset(const CpuPolicy& policy, u32 (&out)[featureset_words]);

/// Where leaves and MSRs go one by one, in the wire's order. A sink's error ends the walk.
struct PolicySink {
    Result<void> (*leaf)(void* context, const abi::CpuidLeaf& leaf);
    Result<void> (*msr)(void* context, const abi::MsrEntry& msr);
    void* context;
};
Result<void> serialise(const CpuPolicy& policy, const PolicySink& sink);

/// Which leaf or MSR of an update was wrong; ~0 where it does not apply.
struct PolicyFault {
    u32 leaf = ~0u, subleaf = ~0u, msr = ~0u;
};
/// Puts one leaf or MSR of an update into `policy`. @return Range  no such leaf or MSR is kept; Invalid  a value or
/// flag that cannot be
Result<void> merge_leaf(CpuPolicy& policy, const abi::CpuidLeaf& leaf);
Result<void> merge_msr(CpuPolicy& policy, const abi::MsrEntry& msr);
/// Checks an updated policy against the most a PV guest may have, and cuts its features to that.
/// @return Invalid  with `fault` set: it claims more leaves than PV max has
Result<void> finish_update(CpuPolicy& policy, const CpuPolicies& machine, PolicyFault& fault);

}
