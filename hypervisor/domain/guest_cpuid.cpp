// The answer to a guest's CPUID: its policy, and the few bits of it that depend on the moment.

#include "hypervisor/domain/cpu_policy.hpp"

namespace xylem {
namespace {

constexpr u32 extended_base = 0x80000000;
constexpr u32 xen_version = 4 << 16 | 17;
constexpr u32 hypercall_page_msr = 0x40000000;

constexpr u32 bit_of(u32 feature)
{
    return 1u << (feature % 32);
}

/// Leaves with subleaves end where their policy has no more; beyond, all is zero.
CpuidResult basic_leaf(const CpuPolicy& policy, u32 leaf, u32 subleaf)
{
    switch (leaf) {
    case 4:
        return subleaf < CpuPolicy::cache_subleaves ? policy.cache[subleaf] : CpuidResult{};
    case 7:
        return subleaf < CpuPolicy::feature_subleaves && subleaf <= policy.feature[0].a ? policy.feature[subleaf]
                                                                                        : CpuidResult{};
    case 0xb:
        return subleaf < CpuPolicy::topology_subleaves ? policy.topology[subleaf] : CpuidResult{};
    case 0xd:
        return subleaf < CpuPolicy::xstate_subleaves ? policy.xstate[subleaf] : CpuidResult{};
    default:
        return leaf < CpuPolicy::basic_leaves ? policy.basic[leaf] : CpuidResult{};
    }
}

/// Leaf 1. A PV kernel that asks by the prefix must learn of XSAVE before it has set CR4.OSXSAVE: kernels of old look
/// for both bits at once.
void adjust_features(CpuidResult& leaf, const CpuPolicy& policy, const CpuPolicies& machine,
                     const GuestCpuidContext& context)
{
    const FeatureSet own = features_of(policy), host = features_of(machine.host);
    bool asks_early = context.forced_emulation && context.guest_kernel_mode;
    bool osxsave = asks_early ? context.machine_osxsave : context.guest_osxsave;
    leaf.c &= ~bit_of(feature::osxsave);
    if (own.has(feature::xsave) && osxsave)
        leaf.c |= bit_of(feature::osxsave);
    if (!context.is_hardware_domain || !context.guest_kernel_mode)
        return;
    // Dom0's kernel uploads the firmware's power states for us: it needs to see what the machine has.
    if (host.has(feature::eist))
        leaf.c |= bit_of(feature::eist);
    if (!context.forced_emulation && host.has(feature::monitor))
        leaf.c |= bit_of(feature::monitor);
}

/// The bytes that the states in XCR0 take, in the standard format or in the compact one.
u32 xsave_area_bytes(const CpuPolicy& policy, u64 xcr0, bool compact)
{
    u32 size = 576;
    for (u32 i = 2; i < CpuPolicy::xstate_subleaves; ++i) {
        if ((xcr0 >> i & 1) == 0)
            continue;
        const CpuidResult& state = policy.xstate[i];
        if (!compact)
            size = state.b + state.a > size ? state.b + state.a : size;
        else
            size = ((state.c & 2 ? (size + 63) & ~63u : size)) + state.a;
    }
    return size;
}

void adjust_xstate(CpuidResult& leaf, const CpuPolicy& policy, const GuestCpuidContext& context, u32 subleaf)
{
    const FeatureSet own = features_of(policy);
    if (!own.has(feature::xsave))
        return;
    if (subleaf == 0)
        leaf.b = xsave_area_bytes(policy, context.xcr0, false);
    else if (subleaf == 1 && (own.has(feature::xsavec) || own.has(feature::xsaves)))
        leaf.b = xsave_area_bytes(policy, context.xcr0, true);
}

CpuidResult time_leaf(const CpuPolicies& machine, const GuestCpuidContext& context, u32 subleaf)
{
    switch (subleaf) {
    case 0: {
        bool rdtscp = features_of(machine.host).has(feature::rdtscp);
        u32 flags = (context.tsc_emulated ? 1u : 0) | (context.tsc_stable ? 2u : 0) | (rdtscp ? 4u : 0);
        return {flags, context.tsc_mode, context.tsc_khz, context.tsc_incarnation};
    }
    case 1:
        return {static_cast<u32>(context.tsc_offset), static_cast<u32>(context.tsc_offset >> 32),
                context.tsc_to_system_mul, static_cast<u32>(i32{context.tsc_shift})};
    case 2:
        return {context.host_tsc_khz, 0, 0, 0};
    default:
        return {};
    }
}

/// Leaves 0x40000000 and up.
CpuidResult hypervisor_leaf(const CpuPolicy& policy, const CpuPolicies& machine, const GuestCpuidContext& context,
                            u32 leaf, u32 subleaf)
{
    // A builder may cut the leaves short, but not so far that the hypercall page's leaf goes.
    u32 last = abi::cpuid_max_num_leaves;
    if (u32 limit = policy.hypervisor_limit & 0xff; limit >= 2 && limit < last)
        last = limit;
    const u32 index = leaf - abi::cpuid_first_leaf;
    if (index > last)
        return {};
    switch (index) {
    case 0:
        return {abi::cpuid_first_leaf + last, abi::cpuid_signature_ebx, abi::cpuid_signature_ecx,
                abi::cpuid_signature_edx};
    case 1:
        return {xen_version, 0, 0, 0};
    case 2:
        return {1, hypercall_page_msr, abi::cpuid_feat1_mmu_pt_update_preserve_ad, 0};
    case 3:
        return time_leaf(machine, context, subleaf);
    case 5:
        return {0, context.machine_address_bits & abi::cpuid_machine_address_width_mask, 0, 0};
    default: // 4 speaks of HVM guests
        return {};
    }
}

}

CpuidResult guest_cpuid(const CpuPolicy& policy, const CpuPolicies& machine, const GuestCpuidContext& context, u32 leaf,
                        u32 subleaf)
{
    if (leaf >= abi::cpuid_first_leaf && leaf < abi::cpuid_first_leaf + 0x100)
        return hypervisor_leaf(policy, machine, context, leaf, subleaf);
    if (leaf >= extended_base) {
        u32 index = leaf - extended_base;
        bool present = leaf <= policy.max_extended_leaf() && index < CpuPolicy::extended_leaves;
        return present ? policy.extended[index] : CpuidResult{};
    }
    if (leaf > policy.max_leaf())
        return {};
    CpuidResult result = basic_leaf(policy, leaf, subleaf);
    if (leaf == 1)
        adjust_features(result, policy, machine, context);
    else if (leaf == 5 && context.is_hardware_domain && context.guest_kernel_mode && !context.forced_emulation)
        result = machine.raw.basic[5];
    else if (leaf == 0xd)
        adjust_xstate(result, policy, context, subleaf);
    return result;
}

}
