// CPU policies and feature words, for domctl and sysctl. (xen/include/public/{domctl,sysctl}.h; docs/pv-abi.md 5.5)

#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/hypercall/domctl.hpp"
#include "hypervisor/hypercall/sysctl.hpp"
#include "hypervisor/mm/heap.hpp"

namespace xylem::hypercall {
namespace {

/// Where a policy is written to in the caller's memory, entry by entry.
struct PolicyOut {
    GuestOut<abi::CpuidLeaf> leaves;
    GuestOut<abi::MsrEntry> msrs;
    u32 leaf_room, msr_room;
    u32 leaf_count = 0, msr_count = 0;
};

Result<void> put_leaf(void* context, const abi::CpuidLeaf& leaf)
{
    PolicyOut& out = *static_cast<PolicyOut*>(context);
    if (out.leaf_count == out.leaf_room)
        return Error::NoBuffer;
    return out.leaves.copy_out(leaf, out.leaf_count++);
}

Result<void> put_msr(void* context, const abi::MsrEntry& msr)
{
    PolicyOut& out = *static_cast<PolicyOut*>(context);
    if (out.msr_count == out.msr_room)
        return Error::NoBuffer;
    return out.msrs.copy_out(msr, out.msr_count++);
}

Result<void> skip_leaf(void*, const abi::CpuidLeaf&)
{
    return {};
}
Result<void> skip_msr(void*, const abi::MsrEntry&)
{
    return {};
}

/// Copies `policy` out. A null handle asks for the most there can be of its kind, and gets nothing.
Result<void> copy_out(const CpuPolicy& policy, u32& nr_leaves, u32& nr_msrs, u64 leaves, u64 msrs)
{
    PolicyOut out{GuestOut<abi::CpuidLeaf>(leaves), GuestOut<abi::MsrEntry>(msrs), nr_leaves, nr_msrs};
    TRY(serialise(policy, {leaves ? put_leaf : skip_leaf, msrs ? put_msr : skip_msr, &out}));
    nr_leaves = leaves ? out.leaf_count : CpuPolicy::max_serialised_leaves;
    nr_msrs = msrs ? out.msr_count : CpuPolicy::max_serialised_msrs;
    return {};
}

Result<void> merge(CpuPolicy& policy, const abi::DomctlCpuPolicy& op, PolicyFault& fault)
{
    const GuestIn<abi::CpuidLeaf> leaves(op.leaves.address);
    for (u32 i = 0; i < op.nr_leaves; ++i) {
        const abi::CpuidLeaf leaf = TRY(leaves.copy_in(i));
        const Result<void> merged = merge_leaf(policy, leaf);
        if (!merged.ok()) {
            fault = {leaf.leaf, leaf.subleaf, ~0u};
            return merged.error();
        }
    }
    const GuestIn<abi::MsrEntry> msrs(op.msrs.address);
    for (u32 i = 0; i < op.nr_msrs; ++i) {
        const abi::MsrEntry msr = TRY(msrs.copy_in(i));
        const Result<void> merged = merge_msr(policy, msr);
        if (!merged.ok()) {
            fault = {~0u, ~0u, msr.idx};
            return merged.error();
        }
    }
    TRY(check_update(policy, cpu_policies, fault));
    fit_policy_to_guest(policy, cpu_policies, InvariantTsc::withheld);
    return {};
}

const CpuPolicy* policy_of(abi::CpuPolicyIndex index)
{
    switch (index) {
    case abi::CpuPolicyIndex::raw:
        return &cpu_policies.raw;
    case abi::CpuPolicyIndex::host:
        return &cpu_policies.host;
    case abi::CpuPolicyIndex::pv_max:
        return &cpu_policies.pv_max;
    case abi::CpuPolicyIndex::pv_default:
        return &cpu_policies.pv_default;
    default:
        return nullptr;
    }
}

const CpuPolicy* policy_of(abi::FeaturesetIndex index)
{
    switch (index) {
    case abi::FeaturesetIndex::raw:
        return &cpu_policies.raw;
    case abi::FeaturesetIndex::host:
        return &cpu_policies.host;
    case abi::FeaturesetIndex::pv:
        return &cpu_policies.pv_default;
    case abi::FeaturesetIndex::pv_max:
        return &cpu_policies.pv_max;
    default:
        return nullptr;
    }
}

}

namespace domctl_ops {

Result<void> get_cpu_policy(DomctlCall& call)
{
    abi::DomctlCpuPolicy& op = call.op.u.cpu_policy;
    call.copy_back = true;
    return copy_out(*call.target.policy, op.nr_leaves, op.nr_msrs, op.leaves.address, op.msrs.address);
}

Result<void> set_cpu_policy(DomctlCall& call)
{
    abi::DomctlCpuPolicy& op = call.op.u.cpu_policy;
    if (call.on_self())
        return Error::Invalid;
    if (call.target.creation_finished)
        return Error::Exists;
    if (op.nr_leaves > CpuPolicy::max_serialised_leaves || op.nr_msrs > CpuPolicy::max_serialised_msrs)
        return Error::TooBig;
    // On a copy, so that a refused update leaves the old policy whole.
    CpuPolicy* copy = mm::make<CpuPolicy>(*call.target.policy);
    if (!copy)
        return Error::NoMemory;
    PolicyFault fault;
    const Result<void> merged = merge(*copy, op, fault);
    if (merged.ok())
        *call.target.policy = *copy;
    mm::destroy(copy);
    op.err_leaf = fault.leaf;
    op.err_subleaf = fault.subleaf;
    op.err_msr = fault.msr;
    call.copy_back = true;
    return merged;
}

}

namespace sysctl_ops {

Result<void> get_cpu_policy(SysctlCall& call)
{
    abi::SysctlCpuPolicy& op = call.op.u.cpu_policy;
    if (op.rsvd || static_cast<u32>(op.index) > static_cast<u32>(abi::CpuPolicyIndex::hvm_default))
        return Error::Invalid;
    const CpuPolicy* policy = policy_of(op.index);
    if (!policy)
        return Error::NotSupported;
    return copy_out(*policy, op.nr_leaves, op.nr_msrs, op.leaves.address, op.msrs.address);
}

Result<void> get_cpu_featureset(SysctlCall& call)
{
    abi::SysctlCpuFeatureset& op = call.op.u.cpu_featureset;
    if (static_cast<u32>(op.index) > static_cast<u32>(abi::FeaturesetIndex::hvm_max))
        return Error::Invalid;
    if (op.features.is_null()) {
        op.nr_features = featureset_words;
        return {};
    }
    const CpuPolicy* policy = policy_of(op.index);
    if (!policy)
        return Error::NotSupported;
    const FeatureSet features = features_of(*policy);
    const bool room = op.nr_features >= featureset_words;
    op.nr_features = room ? featureset_words : op.nr_features;
    TRY(GuestOut<u32>(op.features.address).copy_out_array(features.words, op.nr_features));
    return room ? Result<void>() : Error::NoBuffer;
}

}
}
