// How the machine's policies come from its CPUID, and a guest's from those.
//
// Each step only takes away from what the machine has, with a few exceptions that are written out: topology bits, which
// are the builder's to choose, and bits that merely tell of a flaw or of a mitigation that is safe to believe in.

#include "hypervisor/domain/cpu_policy.hpp"

namespace xylem {
namespace {

constexpr u32 extended_base = 0x80000000;
constexpr u32 intel_last_extended = 0x80000008, amd_last_extended = 0x80000021;
constexpr u32 last_basic = CpuPolicy::basic_leaves - 1, last_feature_subleaf = CpuPolicy::feature_subleaves - 1;
constexpr u64 platform_cpuid_faulting = u64{1} << 31;
// Bits of leaf 0x80000001 edx that AMD repeats from leaf 1 edx.
constexpr u32 amd_repeated_features = 0x0183f3ff;

constexpr u32 smaller(u32 a, u32 b)
{
    return a < b ? a : b;
}

constexpr bool is_amd(CpuVendor vendor)
{
    return vendor == CpuVendor::Amd || vendor == CpuVendor::Hygon;
}

CpuVendor vendor_of(const CpuidResult& leaf0)
{
    struct Name {
        u32 b, c, d;
        CpuVendor vendor;
    };
    constexpr Name names[] = {
        {0x756e6547, 0x6c65746e, 0x49656e69, CpuVendor::Intel},
        {0x68747541, 0x444d4163, 0x69746e65, CpuVendor::Amd},
        {0x6f677948, 0x656e6975, 0x6e65476e, CpuVendor::Hygon},
        {0x746e6543, 0x736c7561, 0x48727561, CpuVendor::Centaur},
        {0x68532020, 0x20206961, 0x68676e61, CpuVendor::Shanghai},
    };
    for (const Name& name : names)
        if (name.b == leaf0.b && name.c == leaf0.c && name.d == leaf0.d)
            return name.vendor;
    return CpuVendor::Unknown;
}

// ---- the raw policy: what CPUID says

void read_subleaves(CpuPolicy& policy, const CpuidSource& cpuid)
{
    const u32 max = policy.max_leaf();
    if (max >= 4)
        for (u32 i = 0; i < CpuPolicy::cache_subleaves; ++i) {
            policy.cache[i] = cpuid(4, i);
            if ((policy.cache[i].a & 0x1f) == 0) // no further cache
                break;
        }
    if (max >= 7) {
        policy.feature[0] = cpuid(7, 0);
        for (u32 i = 1; i <= smaller(policy.feature[0].a, last_feature_subleaf); ++i)
            policy.feature[i] = cpuid(7, i);
    }
    if (max >= 0xb)
        for (u32 i = 0; i < CpuPolicy::topology_subleaves; ++i) {
            policy.topology[i] = cpuid(0xb, i);
            if ((policy.topology[i].c & 0xff00) == 0) // no further level
                break;
        }
    if (max >= 0xd) {
        policy.xstate[0] = cpuid(0xd, 0);
        policy.xstate[1] = cpuid(0xd, 1);
        u64 states =
            (u64{policy.xstate[0].d} << 32 | policy.xstate[0].a) | (u64{policy.xstate[1].d} << 32 | policy.xstate[1].c);
        for (u32 i = 2; i < CpuPolicy::xstate_subleaves; ++i)
            if (states >> i & 1)
                policy.xstate[i] = cpuid(0xd, i);
    }
}

void read_raw(CpuPolicy& policy, const CpuidSource& cpuid, const MachineFacts& facts)
{
    policy = CpuPolicy{};
    policy.basic[0] = cpuid(0);
    for (u32 leaf = 1; leaf <= smaller(policy.max_leaf(), last_basic); ++leaf)
        if (leaf != 4 && leaf != 7 && leaf != 0xb && leaf != 0xd)
            policy.basic[leaf] = cpuid(leaf);
    read_subleaves(policy, cpuid);
    policy.extended[0] = cpuid(extended_base);
    if ((policy.max_extended_leaf() ^ extended_base) >> 16 == 0)
        for (u32 i = 1; i <= smaller(policy.max_extended_leaf() - extended_base, CpuPolicy::extended_leaves - 1); ++i)
            policy.extended[i] = cpuid(extended_base + i);
    policy.vendor = vendor_of(policy.basic[0]);
    policy.platform_info = facts.platform_info & platform_cpuid_faulting;
    policy.arch_capabilities = facts.arch_capabilities;
}

// ---- what follows from the features

/// The XSAVE states that some features need.
u64 states_for(const FeatureSet& features)
{
    if (!features.has(feature::xsave))
        return 0;
    u64 states = 3; // x87 and SSE
    auto add = [&](u32 needs, u64 bits) { states |= features.has(needs) ? bits : 0; };
    add(feature::avx, u64{1} << 2);
    add(feature::mpx, u64{3} << 3);
    add(feature::avx512f, u64{7} << 5);
    add(feature::pku, u64{1} << 9);
    add(feature::lwp, u64{1} << 62);
    return states;
}

/// Leaf 0xd anew: sizes and places are the machine's, the set of states follows from the features.
void rebuild_xstate(CpuPolicy& policy, const CpuPolicy& raw)
{
    const FeatureSet features = features_of(policy);
    const u64 states = states_for(features);
    for (CpuidResult& leaf : policy.xstate)
        leaf = CpuidResult{};
    if (states == 0)
        return;
    u32 size = 576; // the legacy region and the header
    for (u32 i = 2; i < CpuPolicy::xstate_subleaves; ++i) {
        if ((states >> i & 1) == 0)
            continue;
        policy.xstate[i] = raw.xstate[i];
        u32 end = raw.xstate[i].b + raw.xstate[i].a;
        size = end > size ? end : size;
    }
    policy.xstate[0] = {static_cast<u32>(states), 0, size, static_cast<u32>(states >> 32)};
    policy.xstate[1].a = features.words[feature_word::xstate1_a];
}

/// Leaves that speak of this very machine, or of what the hypervisor keeps to itself.
void drop_machine_details(CpuPolicy& policy)
{
    policy.basic[1].a &= 0x0fff0fff;              // the processor type
    policy.basic[1].b &= 0x00ffffff;              // the APIC id
    for (u32 leaf : {5u, 6u, 8u, 9u, 0xau, 0xcu}) // MONITOR, power, none, DCA, performance counters, none
        policy.basic[leaf] = CpuidResult{};
    for (CpuidResult& level : policy.topology)
        level = CpuidResult{};
    CpuidResult* extended = policy.extended;
    extended[7].a = extended[7].b = extended[7].c = 0; // RAS and power
    extended[8].d = 0;
    extended[8].a &= 0x0000ffff; // a physical address width for nested paging
    if (is_amd(policy.vendor)) {
        policy.basic[2] = policy.basic[3] = CpuidResult{};
        for (CpuidResult& cache : policy.cache)
            cache = CpuidResult{};
        extended[0].b = policy.basic[0].b;
        extended[0].c = policy.basic[0].c;
        extended[0].d = policy.basic[0].d;
        extended[1].b &= 0xff00ffff;
        extended[8].c &= 0x0003f0ff; // core count, APIC id size
        extended[9] = CpuidResult{};
        for (u32 i = 0xa; i <= 0x18; ++i) // SVM, and reserved ones
            extended[i] = CpuidResult{};
        for (u32 i = 0x1b; i <= 0x20; ++i) // IBS, LWP, caches, topology, encryption, quality of service
            extended[i] = CpuidResult{};
    } else {
        policy.basic[3] = CpuidResult{};                                                     // the serial number
        policy.basic[2].a = (policy.basic[2].a & ~0xffu) | (policy.basic[2].a != 0 ? 1 : 0); // one query
        extended[0].b = extended[0].c = extended[0].d = 0;
        extended[1].a = extended[1].b = 0;
        extended[5] = CpuidResult{};
        extended[6].a = extended[6].b = extended[6].d = 0;
        extended[8].c = 0;
        for (u32 i = 9; i < CpuPolicy::extended_leaves; ++i)
            extended[i] = CpuidResult{};
    }
    if (!features_of(policy).has(feature::page1gb))
        extended[0x19] = CpuidResult{};
}

u32 last_extended_leaf(CpuVendor vendor)
{
    return is_amd(vendor) ? amd_last_extended : intel_last_extended;
}

// ---- the machine's policies

void make_host(CpuPolicy& host, const CpuPolicy& raw, const MachineFacts& facts)
{
    host = raw;
    FeatureSet features = features_of(raw) & known_features & ~facts.hidden;
    features.clear(feature::osxsave); // these three follow a guest's CR4
    features.clear(feature::at(feature_word::leaf7_c, 4));
    if (is_amd(raw.vendor)) {
        features.clear(feature::sep); // SYSENTER does not work in AMD's 64-bit mode
        features.assign(feature::lfence_dispatch, facts.lfence_dispatch || features.has(feature::lfence_dispatch));
    }
    drop_unsupported(features);
    host.basic[0].a = smaller(raw.max_leaf(), last_basic);
    host.feature[0].a = smaller(raw.feature[0].a, last_feature_subleaf);
    set_features(host, features);
    u32 last = smaller(raw.max_extended_leaf(), last_extended_leaf(raw.vendor));
    host.extended[0].a = is_amd(raw.vendor) && host.extended[0x21].a != 0 ? amd_last_extended : last;
    rebuild_xstate(host, raw);
    drop_machine_details(host);
}

/// Features whose MSRs the hypervisor does not switch between guests: not to be shown to any.
constexpr u32 not_offered[] = {feature::ibrsb,      feature::stibp,       feature::ssbd,
                               feature::intel_psfd, feature::ibpb,        feature::ibpb_ret,
                               feature::sbpb,       feature::ibpb_brtype, feature::dbext};

/// What every policy of PV guests shares: from the features of `from`, those of `allowed`.
FeatureSet guest_features(const CpuPolicy& from, const FeatureSet& allowed)
{
    FeatureSet features = features_of(from) & allowed;
    for (u32 each : not_offered)
        features.clear(each);
    features.set(feature::hypervisor);
    if (from.vendor == CpuVendor::Intel)
        features.set(feature::arch_caps); // of Intel's, the MSR is there, if only to say nothing
    return features;
}

void make_pv_max(CpuPolicy& max, const CpuPolicies& machine)
{
    max = machine.host;
    FeatureSet features = guest_features(machine.host, pv_max_features);
    for (u32 each : {feature::htt, feature::x2apic, feature::cmp_legacy}) // the builder's to choose
        features.set(each);
    // A guest may come from, or go to, a machine where these count.
    if (max.vendor == CpuVendor::Intel)
        for (u32 each : {feature::md_clear, feature::rsba, feature::fb_clear, feature::rfds_clear})
            features.set(each);
    if (is_amd(max.vendor))
        features.set(feature::verw_clear);
    drop_unsupported(features);
    max.basic[0].a = last_basic;
    max.feature[0].a = last_feature_subleaf;
    max.extended[0].a = last_extended_leaf(max.vendor);
    set_features(max, features);
    rebuild_xstate(max, machine.raw);
    drop_machine_details(max);
}

void make_pv_default(CpuPolicy& policy, const CpuPolicies& machine)
{
    policy = machine.pv_max;
    FeatureSet features = guest_features(machine.host, pv_default_features);
    drop_unsupported(features);
    policy.basic[0].a = machine.host.max_leaf();
    policy.feature[0].a = machine.host.feature[0].a;
    policy.extended[0].a = machine.host.max_extended_leaf();
    set_features(policy, features);
    rebuild_xstate(policy, machine.raw);
}

}

void make_cpu_policies(CpuPolicies& out, const CpuidSource& cpuid, const MachineFacts& facts)
{
    read_raw(out.raw, cpuid, facts);
    make_host(out.host, out.raw, facts);
    make_pv_max(out.pv_max, out);
    make_pv_default(out.pv_default, out);
}

FeatureSet features_of(const CpuPolicy& policy)
{
    const CpuidResult* extended = policy.extended;
    const CpuidResult* feature = policy.feature;
    return {{policy.basic[1].d, policy.basic[1].c, extended[1].d, extended[1].c, policy.xstate[1].a, feature[0].b,
             feature[0].c, extended[7].d, extended[8].b, feature[0].d, feature[1].a, extended[0x21].a, feature[1].b,
             feature[2].d, feature[1].c, feature[1].d, static_cast<u32>(policy.arch_capabilities),
             static_cast<u32>(policy.arch_capabilities >> 32), extended[0x21].c}};
}

void set_features(CpuPolicy& policy, const FeatureSet& features)
{
    const u32* words = features.words;
    policy.basic[1].d = words[feature_word::leaf1_d];
    policy.basic[1].c = words[feature_word::leaf1_c];
    policy.extended[1].d = words[feature_word::ext1_d];
    policy.extended[1].c = words[feature_word::ext1_c];
    policy.xstate[1].a = words[feature_word::xstate1_a];
    policy.feature[0].b = words[feature_word::leaf7_b];
    policy.feature[0].c = words[feature_word::leaf7_c];
    policy.extended[7].d = words[feature_word::ext7_d];
    policy.extended[8].b = words[feature_word::ext8_b];
    policy.feature[0].d = words[feature_word::leaf7_d];
    policy.feature[1].a = words[feature_word::leaf7_1a];
    policy.extended[0x21].a = words[feature_word::ext21_a];
    policy.feature[1].b = words[feature_word::leaf7_1b];
    policy.feature[2].d = words[feature_word::leaf7_2d];
    policy.feature[1].c = words[feature_word::leaf7_1c];
    policy.feature[1].d = words[feature_word::leaf7_1d];
    policy.arch_capabilities = u64{words[feature_word::arch_caps_high]} << 32 | words[feature_word::arch_caps_low];
    policy.extended[0x21].c = words[feature_word::ext21_c];
}

void fit_policy_to_guest(CpuPolicy& policy, const CpuPolicies& machine, InvariantTsc itsc)
{
    const CpuPolicy& max = machine.pv_max;
    policy.vendor = vendor_of(policy.basic[0]);
    policy.basic[0].a = smaller(policy.max_leaf(), max.max_leaf());
    policy.feature[0].a = smaller(policy.feature[0].a, max.feature[0].a);
    u32 last = smaller(policy.max_extended_leaf() & 0xffff, last_extended_leaf(policy.vendor) & 0xffff);
    policy.extended[0].a = extended_base | last;

    FeatureSet allowed = features_of(max);
    if (itsc == InvariantTsc::withheld)
        allowed.clear(feature::itsc);
    FeatureSet features = features_of(policy) & allowed;
    if (policy.max_leaf() < 0xd)
        features.clear(feature::xsave);
    drop_unsupported(features);
    // Two bits say how this machine's x87 unit behaves; they hold in every guest.
    const FeatureSet host = features_of(machine.host);
    features.assign(feature::fdp_excp_only, host.has(feature::fdp_excp_only));
    features.assign(feature::no_fpu_sel, host.has(feature::no_fpu_sel));
    set_features(policy, features);
    rebuild_xstate(policy, machine.raw);

    policy.extended[1].d &= ~amd_repeated_features;
    drop_machine_details(policy);
    if (is_amd(policy.vendor))
        policy.extended[1].d |= policy.basic[1].d & amd_repeated_features;
    const u32 physical_bits = smaller(policy.extended[8].a & 0xff, max.extended[8].a & 0xff);
    const u32 linear_bits = features.has(feature::lm) ? 48 : 32;
    policy.extended[8].a = linear_bits << 8 | physical_bits;
    policy.platform_info &= max.platform_info;
}

void make_guest_policy(CpuPolicy& out, const CpuPolicies& machine)
{
    out = machine.pv_default;
    fit_policy_to_guest(out, machine, InvariantTsc::withheld);
}

void make_dom0_policy(CpuPolicy& out, const CpuPolicies& machine)
{
    out = machine.pv_default;
    FeatureSet features = features_of(out);
    features.assign(feature::itsc, features_of(machine.host).has(feature::itsc));
    set_features(out, features);
    fit_policy_to_guest(out, machine, InvariantTsc::allowed);
}

}
