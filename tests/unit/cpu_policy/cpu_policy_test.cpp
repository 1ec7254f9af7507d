// CPU policies against real Xen: from the same processor's CPUID the same policies, and the same answers to guests.

#include "hypervisor/domain/cpu_policy.hpp"
#include "tests/unit/cpu_policy/recording.hpp"

#include <gtest/gtest.h>

#include <cstdio>

namespace xylem {

void PrintTo(const CpuidResult& r, std::ostream* out)
{
    *out << std::hex << r.a << ':' << r.b << ':' << r.c << ':' << r.d;
}

namespace {

struct Machine {
    std::string name;
    bool amd;
};

void PrintTo(const Machine& machine, std::ostream* out)
{
    *out << machine.name;
}

struct Serialised {
    std::map<Recording::Leaf, CpuidResult> leaves;
    std::map<u32, u64> msrs;
    std::vector<abi::CpuidLeaf> order;

    explicit Serialised(const CpuPolicy& policy)
    {
        PolicySink sink{[](void* context, const abi::CpuidLeaf& leaf) -> Result<void> {
                            static_cast<Serialised*>(context)->order.push_back(leaf);
                            return {};
                        },
                        [](void* context, const abi::MsrEntry& msr) -> Result<void> {
                            static_cast<Serialised*>(context)->msrs[msr.idx] = msr.val;
                            return {};
                        },
                        this};
        EXPECT_TRUE(serialise(policy, sink).ok());
        for (const abi::CpuidLeaf& leaf : order)
            leaves[{leaf.leaf, leaf.subleaf}] = {leaf.a, leaf.b, leaf.c, leaf.d};
    }

    std::map<Recording::Leaf, CpuidResult> without_zeros() const
    {
        auto result = leaves;
        std::erase_if(result, [](const auto& entry) { return entry.second == CpuidResult{}; });
        return result;
    }
};

class AgainstXen : public testing::TestWithParam<Machine> {
protected:
    AgainstXen() : recording_(GetParam().name)
    {
        MachineFacts facts;
        facts.lfence_dispatch = GetParam().amd;
        // Xen mistrusts this processor's AVX, for want of microcode against leaking gathers.
        if (GetParam().name == "haswell")
            facts.hidden.set(feature::avx);
        make_cpu_policies(policies_, recording_.machine(), facts);
    }

    void expect_policy(const CpuPolicy& ours, const std::string& name)
    {
        Serialised serialised(ours);
        EXPECT_EQ(serialised.order.size(), recording_.counts.at(name).first);
        EXPECT_EQ(serialised.msrs, recording_.msrs.at(name));
        auto leaves = serialised.without_zeros();
        for (const auto& [leaf, value] : recording_.policies.at(name))
            EXPECT_EQ(leaves[leaf], value) << std::hex << leaf.first << ' ' << leaf.second;
        for (const auto& [leaf, value] : leaves)
            EXPECT_TRUE(recording_.policies.at(name).contains(leaf)) << std::hex << leaf.first << ' ' << leaf.second;
    }

    void expect_view(const CpuPolicy& policy, const std::string& who)
    {
        const auto& wanted = recording_.cpuid.at(who);
        GuestCpuidContext context;
        context.is_hardware_domain = who == "dom0";
        context.guest_kernel_mode = false; // the recorder was a user process under Linux, which sets CR4.OSXSAVE
        context.guest_osxsave = context.machine_osxsave = true;
        context.xcr0 = policy.xstate[0].a;
        // What is no policy is taken from the recording: the machine's memory and clock.
        context.machine_address_bits = wanted.at({0x40000005, 0}).b;
        context.tsc_emulated = wanted.at({0x40000003, 0}).a & 1;
        context.tsc_khz = wanted.at({0x40000003, 0}).c;
        context.tsc_incarnation = wanted.at({0x40000003, 0}).d;
        context.tsc_to_system_mul = wanted.at({0x40000003, 1}).c;
        context.tsc_shift = static_cast<i8>(wanted.at({0x40000003, 1}).d);
        context.host_tsc_khz = wanted.at({0x40000003, 2}).a;
        for (const auto& [leaf, value] : wanted)
            EXPECT_EQ(guest_cpuid(policy, policies_, context, leaf.first, leaf.second), value)
                << std::hex << leaf.first << ' ' << leaf.second;
    }

    Recording recording_;
    CpuPolicies policies_;
};

TEST_P(AgainstXen, MaximumIsTheSame)
{
    expect_policy(policies_.pv_max, "pv_max");
}

TEST_P(AgainstXen, DefaultIsTheSame)
{
    expect_policy(policies_.pv_default, "pv_default");
}

// As libxc does it: PV default is read, and all of it written to the domain.
TEST_P(AgainstXen, DomainPolicyIsTheSame)
{
    CpuPolicy domain;
    make_guest_policy(domain, policies_);
    for (const abi::CpuidLeaf& leaf : Serialised(policies_.pv_default).order)
        ASSERT_TRUE(merge_leaf(domain, leaf).ok());
    PolicyFault fault;
    ASSERT_TRUE(check_update(domain, policies_, fault).ok());
    fit_policy_to_guest(domain, policies_, InvariantTsc::withheld);
    expect_policy(domain, "domain");
}

TEST_P(AgainstXen, GuestSeesTheSame)
{
    CpuPolicy policy;
    make_guest_policy(policy, policies_);
    expect_view(policy, "guest");
}

TEST_P(AgainstXen, Dom0SeesTheSame)
{
    CpuPolicy policy;
    make_dom0_policy(policy, policies_);
    expect_view(policy, "dom0");
}

INSTANTIATE_TEST_SUITE_P(Recorded, AgainstXen,
                         testing::Values(Machine{"qemu64", true}, Machine{"haswell", false}, Machine{"max", true}),
                         [](const auto& machine) { return machine.param.name; });

class CpuPolicyTest : public testing::Test {
protected:
    CpuPolicyTest() : recording_("max") { make_cpu_policies(policies_, recording_.machine(), {}); }

    Recording recording_;
    CpuPolicies policies_;
};

// The masks are the letters of the public header.
TEST(CpuFeatures, MasksAreTheLettersOfThePublicHeader)
{
    std::ifstream header("/usr/include/xen/arch-x86/cpufeatureset.h");
    ASSERT_TRUE(header) << "libxen-dev is not installed";
    FeatureSet known, max, by_default;
    for (std::string line; std::getline(header, line);) {
        unsigned word, bit;
        char comment[4] = {};
        if (std::sscanf(line.c_str(), "XEN_CPUFEATURE(%*[^,],%u*32+%u) /*%3c", &word, &bit, comment) != 3)
            continue;
        const std::string letters = comment;
        const u32 number = 32 * word + bit; // bits beyond 31 count on into the next word
        known.set(number);
        if (letters.find_first_of("Aa") != letters.npos)
            max.set(number);
        if (letters.find('A') != letters.npos)
            by_default.set(number);
    }
    for (u32 word = 0; word < featureset_words; ++word) {
        EXPECT_EQ(known_features.words[word], known.words[word]) << word;
        EXPECT_EQ(pv_max_features.words[word], max.words[word]) << word;
        EXPECT_EQ(pv_default_features.words[word], by_default.words[word]) << word;
    }
}

TEST(CpuFeatures, WhatLacksItsGroundGoes)
{
    FeatureSet features = pv_default_features;
    features.clear(feature::xsave);
    drop_unsupported(features);
    for (u32 gone : {feature::avx, feature::avx2, feature::fma, feature::avx512f, feature::avx512bw,
                     feature::avx512_vbmi, feature::vaes, feature::xsaveopt})
        EXPECT_FALSE(features.has(gone)) << gone;
    for (u32 kept : {feature::sse2, feature::aesni, feature::lm, feature::rdtscp})
        EXPECT_TRUE(features.has(kept)) << kept;
}

// What a PV guest must not see: page sizes, SMEP and the like would have its kernel do what ring 3 cannot.
TEST_F(CpuPolicyTest, PrivilegedFeaturesStayHidden)
{
    const u32 hidden[] = {feature::at(0, 1), feature::at(0, 3), feature::at(0, 13), feature::at(0, 17),
                          feature::mtrr,     feature::pcid,     feature::at(5, 7),  feature::at(5, 20),
                          feature::at(6, 2), feature::pku,      feature::page1gb,   feature::xsaves,
                          feature::svm,      feature::at(1, 5), feature::invpcid,   feature::tsc_deadline};
    for (const CpuPolicy* policy : {&policies_.pv_max, &policies_.pv_default})
        for (u32 each : hidden)
            EXPECT_FALSE(features_of(*policy).has(each)) << each;
}

// A toolstack that asks for more than PV max does not get it.
TEST_F(CpuPolicyTest, FeaturesAreCutToTheMaximum)
{
    CpuPolicy policy = policies_.pv_default;
    FeatureSet greedy;
    for (u32& word : greedy.words)
        word = ~0u;
    set_features(policy, greedy);
    fit_policy_to_guest(policy, policies_, InvariantTsc::withheld);
    FeatureSet beyond = features_of(policy) & ~features_of(policies_.pv_max);
    beyond.words[feature_word::ext1_d] &= ~0x0183f3ffu; // AMD's copy of leaf 1
    EXPECT_EQ(beyond, FeatureSet{});
}

TEST_F(CpuPolicyTest, WithoutXsaveNothingOfItIsLeft)
{
    CpuPolicy policy = policies_.pv_default;
    FeatureSet features = features_of(policy);
    features.clear(feature::xsave);
    set_features(policy, features);
    fit_policy_to_guest(policy, policies_, InvariantTsc::withheld);
    EXPECT_EQ(policy.xstate[0], CpuidResult{});
    EXPECT_EQ(policy.xstate[2], CpuidResult{});
    EXPECT_FALSE(features_of(policy).has(feature::avx));
    GuestCpuidContext context;
    context.machine_osxsave = context.guest_osxsave = true;
    EXPECT_EQ(guest_cpuid(policy, policies_, context, 1, 0).c >> 26 & 3, 0u);
}

// XSAVE and OSXSAVE must be seen together by a kernel that has not set CR4 yet, if it asks by the prefix.
TEST_F(CpuPolicyTest, OsxsaveDependsOnWhoAsks)
{
    CpuPolicy policy;
    make_guest_policy(policy, policies_);
    auto osxsave = [&](GuestCpuidContext context) { return guest_cpuid(policy, policies_, context, 1, 0).c >> 27 & 1; };
    EXPECT_EQ(osxsave({.guest_kernel_mode = true, .forced_emulation = true, .machine_osxsave = true}), 1u);
    EXPECT_EQ(osxsave({.guest_kernel_mode = true, .forced_emulation = false, .machine_osxsave = true}), 0u);
    EXPECT_EQ(osxsave({.guest_kernel_mode = false, .forced_emulation = true, .machine_osxsave = true}), 0u);
    EXPECT_EQ(osxsave({.guest_kernel_mode = false, .guest_osxsave = true, .machine_osxsave = true}), 1u);
}

TEST_F(CpuPolicyTest, XsaveAreaFollowsXcr0)
{
    CpuPolicy policy;
    make_guest_policy(policy, policies_);
    EXPECT_EQ(guest_cpuid(policy, policies_, {.xcr0 = 3}, 0xd, 0).b, 576u);
    EXPECT_EQ(guest_cpuid(policy, policies_, {.xcr0 = 7}, 0xd, 0).b, 832u);
    EXPECT_EQ(guest_cpuid(policy, policies_, {.xcr0 = 3}, 0xd, 0).c, 832u);
}

// Dom0's kernel finds MONITOR by faulting CPUID alone; no other guest finds it at all.
TEST_F(CpuPolicyTest, OnlyDom0FindsMonitor)
{
    CpuPolicy policy;
    make_dom0_policy(policy, policies_);
    auto monitor = [&](bool hardware, bool forced) {
        GuestCpuidContext context{.is_hardware_domain = hardware, .forced_emulation = forced};
        return guest_cpuid(policy, policies_, context, 1, 0).c >> 3 & 1;
    };
    EXPECT_EQ(monitor(true, false), 1u);
    EXPECT_EQ(monitor(true, true), 0u);
    EXPECT_EQ(monitor(false, false), 0u);
    GuestCpuidContext context{.is_hardware_domain = true, .forced_emulation = false};
    EXPECT_EQ(guest_cpuid(policy, policies_, context, 5, 0), policies_.raw.basic[5]);
}

TEST_F(CpuPolicyTest, LeavesBeyondTheLimitsAreZero)
{
    CpuPolicy policy;
    make_guest_policy(policy, policies_);
    for (u32 leaf : {0xeu, 0x3fffffffu, 0x40000006u, 0x400000ffu, 0x40000100u, 0x7fffffffu, 0x80000022u, 0xffffffffu})
        EXPECT_EQ(guest_cpuid(policy, policies_, {}, leaf, 0), CpuidResult{}) << std::hex << leaf;
    for (u32 leaf : {4u, 7u, 0xbu, 0xdu})
        EXPECT_EQ(guest_cpuid(policy, policies_, {}, leaf, 0xffffffff), CpuidResult{}) << std::hex << leaf;
}

TEST_F(CpuPolicyTest, HypervisorLeavesCanBeCutShort)
{
    CpuPolicy policy;
    make_guest_policy(policy, policies_);
    policy.hypervisor_limit = 2;
    EXPECT_EQ(guest_cpuid(policy, policies_, {}, 0x40000000, 0).a, 0x40000002u);
    EXPECT_EQ(guest_cpuid(policy, policies_, {.host_tsc_khz = 5}, 0x40000003, 2), CpuidResult{});
    policy.hypervisor_limit = 1; // not that far
    EXPECT_EQ(guest_cpuid(policy, policies_, {}, 0x40000000, 0).a, 0x40000005u);
}

TEST_F(CpuPolicyTest, UpdatesNameWhatIsWrong)
{
    CpuPolicy policy = policies_.pv_default;
    EXPECT_EQ(merge_leaf(policy, {0xe, ~0u, 0, 0, 0, 0}), Error::Range);
    EXPECT_EQ(merge_leaf(policy, {1, 0, 0, 0, 0, 0}), Error::Range);
    EXPECT_EQ(merge_leaf(policy, {4, 6, 0, 0, 0, 0}), Error::Range);
    EXPECT_EQ(merge_leaf(policy, {4, ~0u, 0, 0, 0, 0}), Error::Range);
    EXPECT_EQ(merge_leaf(policy, {0xd, 63, 0, 0, 0, 0}), Error::Range);
    EXPECT_EQ(merge_leaf(policy, {0x80000022, ~0u, 0, 0, 0, 0}), Error::Range);
    EXPECT_EQ(merge_leaf(policy, {0x40000001, ~0u, 0, 0, 0, 0}), Error::Range);
    EXPECT_TRUE(merge_leaf(policy, {0x40000000, ~0u, 3, 0, 0, 0}).ok());
    EXPECT_EQ(policy.hypervisor_limit, 3u);
    EXPECT_EQ(merge_msr(policy, {0xce, 1, 0}), Error::Invalid);
    EXPECT_EQ(merge_msr(policy, {0xce, 0, 1}), Error::Invalid);
    EXPECT_EQ(merge_msr(policy, {0x10, 0, 0}), Error::Range);

    PolicyFault fault;
    EXPECT_TRUE(check_update(policy, policies_, fault).ok());
    auto fault_of = [&](auto change) {
        CpuPolicy changed = policies_.pv_default;
        change(changed);
        EXPECT_EQ(check_update(changed, policies_, fault), Error::Invalid);
        return fault;
    };
    EXPECT_EQ(fault_of([](CpuPolicy& p) { p.basic[0].a = 0xe; }).leaf, 0u);
    EXPECT_EQ(fault_of([](CpuPolicy& p) { p.feature[0].a = 3; }).leaf, 7u);
    EXPECT_EQ(fault.subleaf, 0u);
    EXPECT_EQ(fault_of([](CpuPolicy& p) { p.extended[0].a = 0x80000022; }).leaf, 0x80000000u);
    EXPECT_EQ(fault_of([](CpuPolicy& p) { p.platform_info = u64{1} << 31; }).msr, 0xceu);
    EXPECT_EQ(fault_of([](CpuPolicy& p) { p.arch_capabilities = 1; }).msr, 0x10au);
    EXPECT_EQ(fault.leaf, ~0u);
}

TEST_F(CpuPolicyTest, SerialisedPolicyMergesToItself)
{
    CpuPolicy copy;
    for (const abi::CpuidLeaf& leaf : Serialised(policies_.pv_max).order)
        ASSERT_TRUE(merge_leaf(copy, leaf).ok());
    EXPECT_EQ(Serialised(copy).leaves, Serialised(policies_.pv_max).leaves);
}

// A sink without room stops the walk.
TEST_F(CpuPolicyTest, SinkErrorsComeBack)
{
    unsigned room = 5;
    PolicySink sink{[](void* context, const abi::CpuidLeaf&) -> Result<void> {
                        unsigned& left = *static_cast<unsigned*>(context);
                        if (left == 0)
                            return Error::NoBuffer;
                        --left;
                        return {};
                    },
                    [](void*, const abi::MsrEntry&) -> Result<void> { return {}; }, &room};
    EXPECT_EQ(serialise(policies_.pv_max, sink), Error::NoBuffer);
}

}
}
