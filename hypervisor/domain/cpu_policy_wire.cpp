// CPU policies as tools read and write them: a list of leaves and one of MSRs. (xen/include/public/domctl.h,
// set_cpu_policy)

#include "hypervisor/domain/cpu_policy.hpp"

#include <bit>

namespace xylem {
namespace {

constexpr u32 extended_base = 0x80000000;
constexpr u32 second_hypervisor_base = 0x40000100;
constexpr u32 msr_platform_info = 0xce, msr_arch_capabilities = 0x10a;
constexpr u64 platform_cpuid_faulting = u64{1} << 31;

constexpr u32 smaller(u32 a, u32 b)
{
    return a < b ? a : b;
}

/// Hands one leaf after another to the sink, and remembers the first error.
class LeafWriter {
public:
    explicit LeafWriter(const PolicySink& sink) : sink_(sink) {}

    void put(u32 leaf, u32 subleaf, const CpuidResult& r)
    {
        if (result_.ok())
            result_ = sink_.leaf(sink_.context, {leaf, subleaf, r.a, r.b, r.c, r.d});
    }
    void put(u32 leaf, const CpuidResult& r) { put(leaf, abi::cpuid_no_subleaf, r); }
    Result<void> result() const { return result_; }

private:
    const PolicySink& sink_;
    Result<void> result_;
};

/// Subleaves go out up to and with the one that ends the list.
void put_caches(LeafWriter& out, const CpuPolicy& policy)
{
    for (u32 i = 0; i < CpuPolicy::cache_subleaves; ++i) {
        out.put(4, i, policy.cache[i]);
        if ((policy.cache[i].a & 0x1f) == 0)
            break;
    }
}

void put_topology(LeafWriter& out, const CpuPolicy& policy)
{
    for (u32 i = 0; i < CpuPolicy::topology_subleaves; ++i) {
        out.put(0xb, i, policy.topology[i]);
        if ((policy.topology[i].c & 0xff00) == 0)
            break;
    }
}

void put_xstate(LeafWriter& out, const CpuPolicy& policy)
{
    const CpuidResult* xstate = policy.xstate;
    u64 states = (u64{xstate[0].d} << 32 | xstate[0].a) | (u64{xstate[1].d} << 32 | xstate[1].c);
    u32 end = static_cast<u32>(std::bit_width(states));
    end = end < 2 ? 2 : smaller(end, CpuPolicy::xstate_subleaves);
    for (u32 i = 0; i < end; ++i)
        out.put(0xd, i, xstate[i]);
}

void put_basic(LeafWriter& out, const CpuPolicy& policy)
{
    for (u32 leaf = 0; leaf <= smaller(policy.max_leaf(), CpuPolicy::basic_leaves - 1); ++leaf)
        switch (leaf) {
        case 4:
            put_caches(out, policy);
            break;
        case 7:
            for (u32 i = 0; i <= smaller(policy.feature[0].a, CpuPolicy::feature_subleaves - 1); ++i)
                out.put(7, i, policy.feature[i]);
            break;
        case 0xb:
            put_topology(out, policy);
            break;
        case 0xd:
            put_xstate(out, policy);
            break;
        default:
            out.put(leaf, policy.basic[leaf]);
            break;
        }
}

/// The entry of `array` that a subleaf names.
template <u32 N> Result<CpuidResult*> subleaf_of(CpuidResult (&array)[N], u32 subleaf)
{
    if (subleaf >= N)
        return Error::Range;
    return &array[subleaf];
}

/// Where a leaf with or without subleaf is kept.
Result<CpuidResult*> place_of(CpuPolicy& policy, u32 leaf, u32 subleaf)
{
    switch (leaf) {
    case 4:
        return subleaf_of(policy.cache, subleaf);
    case 7:
        return subleaf_of(policy.feature, subleaf);
    case 0xb:
        return subleaf_of(policy.topology, subleaf);
    case 0xd:
        return subleaf_of(policy.xstate, subleaf);
    default:
        break;
    }
    if (subleaf != abi::cpuid_no_subleaf)
        return Error::Range;
    if (leaf < CpuPolicy::basic_leaves)
        return &policy.basic[leaf];
    if (leaf >= extended_base && leaf - extended_base < CpuPolicy::extended_leaves)
        return &policy.extended[leaf - extended_base];
    return Error::Range;
}

}

Result<void> serialise(const CpuPolicy& policy, const PolicySink& sink)
{
    LeafWriter out(sink);
    put_basic(out, policy);
    out.put(abi::cpuid_first_leaf, {policy.hypervisor_limit, 0, 0, 0});
    out.put(second_hypervisor_base, {policy.second_hypervisor_limit, 0, 0, 0});
    for (u32 i = 0; i <= smaller(policy.max_extended_leaf() & 0xffff, CpuPolicy::extended_leaves - 1); ++i)
        out.put(extended_base + i, policy.extended[i]);
    TRY(out.result());
    TRY(sink.msr(sink.context, {msr_platform_info, 0, policy.platform_info}));
    return sink.msr(sink.context, {msr_arch_capabilities, 0, policy.arch_capabilities});
}

Result<void> merge_leaf(CpuPolicy& policy, const abi::CpuidLeaf& leaf)
{
    if (leaf.leaf == abi::cpuid_first_leaf || leaf.leaf == second_hypervisor_base) {
        if (leaf.subleaf != abi::cpuid_no_subleaf)
            return Error::Range;
        (leaf.leaf == abi::cpuid_first_leaf ? policy.hypervisor_limit : policy.second_hypervisor_limit) = leaf.a;
        return {};
    }
    CpuidResult* place = TRY(place_of(policy, leaf.leaf, leaf.subleaf));
    *place = {leaf.a, leaf.b, leaf.c, leaf.d};
    return {};
}

Result<void> merge_msr(CpuPolicy& policy, const abi::MsrEntry& msr)
{
    if (msr.flags != 0)
        return Error::Invalid;
    switch (msr.idx) {
    case msr_platform_info:
        if (msr.val & ~platform_cpuid_faulting)
            return Error::Invalid;
        policy.platform_info = msr.val;
        return {};
    case msr_arch_capabilities:
        policy.arch_capabilities = msr.val;
        return {};
    default:
        return Error::Range;
    }
}

Result<void> check_update(const CpuPolicy& policy, const CpuPolicies& machine, PolicyFault& fault)
{
    const CpuPolicy& max = machine.pv_max;
    fault = PolicyFault{};
    if (policy.max_leaf() > max.max_leaf())
        fault.leaf = 0;
    else if (policy.feature[0].a > max.feature[0].a) {
        fault.leaf = 7;
        fault.subleaf = 0;
    } else if (policy.max_extended_leaf() > max.max_extended_leaf())
        fault.leaf = extended_base;
    else if (policy.platform_info & ~max.platform_info)
        fault.msr = msr_platform_info;
    else if (policy.arch_capabilities & ~max.arch_capabilities)
        fault.msr = msr_arch_capabilities;
    else
        return {};
    return Error::Invalid;
}

}
