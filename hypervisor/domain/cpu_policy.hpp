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
#include "hypervisor/domain/cpu_features.hpp"

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
    /// The width of a machine address.
    unsigned physical_address_bits() const
    {
        constexpr unsigned before_there_was_a_leaf_for_it = 36;
        return max_extended_leaf() >= 0x80000008 ? extended[8].a & 0xff : before_there_was_a_leaf_for_it;
    }
};
static_assert(CpuPolicy::max_serialised_leaves == 120);

/// The machine's policies, made once at boot.
struct CpuPolicies {
    CpuPolicy raw, host, pv_max, pv_default;
};

/// What is to be known of the machine beside its CPUID.
struct MachineFacts {
    u64 platform_info = 0;        ///< MSR 0xce; 0 where it is not there
    u64 arch_capabilities = 0;    ///< MSR 0x10a; likewise
    bool lfence_dispatch = false; ///< AMD: LFENCE waits (MSR 0xc0011029 bit 1), which guests are told
    FeatureSet hidden;            ///< what the command line, or a fault of the processor, takes away
};

void make_cpu_policies(CpuPolicies& out, const CpuidSource& cpuid, const MachineFacts& facts);

/// Completes `policy`, a copy of PV default or one that its builder has changed, to what a guest may see: features are
/// cut to PV max, and all that follows from them is made to fit.
enum class InvariantTsc : u8 { withheld, allowed };
void fit_policy_to_guest(CpuPolicy& policy, const CpuPolicies& machine, InvariantTsc itsc);

/// Dom0's policy. It never migrates: it is told of an invariant TSC.
void make_dom0_policy(CpuPolicy& out, const CpuPolicies& machine);
/// What a new domain begins with.
void make_guest_policy(CpuPolicy& out, const CpuPolicies& machine);

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

FeatureSet features_of(const CpuPolicy& policy);
void set_features(CpuPolicy& policy, const FeatureSet& features);

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
/// Whether an updated policy claims no more than a PV guest may have, in leaves and MSRs; features are not looked at,
/// since fit_policy_to_guest() cuts them. @return Invalid  with `fault` set
Result<void> check_update(const CpuPolicy& policy, const CpuPolicies& machine, PolicyFault& fault);

}
