// See policies.hpp.

#include "hypervisor/domain/policies.hpp"

#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/mm/heap.hpp"

#include <bit>

namespace xylem {

CpuPolicies cpu_policies;

namespace {

constexpr u64 cr4_tsd = 1U << 2, cr4_de = 1U << 3, cr4_fsgsbase = 1U << 16, cr4_osxsave = 1U << 18;
constexpr u32 leaf1_d_de = 1U << 2, leaf1_d_tsc = 1U << 4, leaf1_c_xsave = 1U << 26, leaf7_b_fsgsbase = 1U << 0;

}

CpuPolicy* make_domain_policy(bool is_hardware_domain)
{
    CpuPolicy* policy = mm::make<CpuPolicy>();
    if (policy && is_hardware_domain)
        make_dom0_policy(*policy, cpu_policies);
    else if (policy)
        make_guest_policy(*policy, cpu_policies);
    return policy;
}

void free_policy(CpuPolicy* policy)
{
    mm::destroy(policy);
}

u64 guest_cr4_bits(const Domain& domain)
{
    const CpuPolicy& policy = *domain.policy;
    u64 bits = 0;
    if (policy.basic[1].d & leaf1_d_tsc)
        bits |= cr4_tsd;
    if (policy.basic[1].d & leaf1_d_de)
        bits |= cr4_de;
    if (policy.feature[0].b & leaf7_b_fsgsbase)
        bits |= cr4_fsgsbase;
    if (policy.basic[1].c & leaf1_c_xsave)
        bits |= cr4_osxsave;
    return bits;
}

u64 guest_xcr0_mask(const Domain& domain)
{
    const CpuidResult& leaf = domain.policy->xstate[0];
    return (u64{leaf.d} << 32 | leaf.a) & machine::extended_state_mask();
}

CpuidResult vcpu_cpuid(const Vcpu& vcpu, bool forced_emulation, u32 leaf, u32 subleaf)
{
    const machine::TimeScale scale = machine::time_scale();
    GuestCpuidContext context;
    context.vcpu_id = vcpu.id.value;
    context.is_hardware_domain = vcpu.domain->is_hardware_domain;
    context.guest_kernel_mode = vcpu.kernel_mode;
    context.forced_emulation = forced_emulation;
    context.guest_osxsave = vcpu.cr4 & cr4_osxsave;
    context.machine_osxsave = machine::extended_state_mask() != 0;
    context.xcr0 = vcpu.xcr0;
    // No more than version 1 of grant entries can name: guests that see more ask for version 2.
    constexpr unsigned grant_v1_bits = 44;
    const unsigned bits = static_cast<unsigned>(std::bit_width(address_of(machine::max_mfn).value - 1));
    context.machine_address_bits = bits < grant_v1_bits ? bits : grant_v1_bits;
    context.tsc_stable = scale.stable;
    context.tsc_mode = vcpu.domain->tsc_mode;
    context.tsc_khz = context.host_tsc_khz = scale.khz;
    context.tsc_to_system_mul = scale.mul;
    context.tsc_shift = scale.shift;
    return guest_cpuid(*vcpu.domain->policy, cpu_policies, context, leaf, subleaf);
}

}
