// The machine's CPU policies, and each domain's copy.
#pragma once

#include "hypervisor/domain/cpu_policy.hpp"
#include "hypervisor/domain/domain.hpp"

namespace xylem {

/// Made once at boot, from the processor's CPUID.
extern CpuPolicies cpu_policies;

/// A copy of PV default for a new domain; dom0's is adapted to its place. @return null if there is no memory
CpuPolicy* make_domain_policy(bool is_hardware_domain);
void free_policy(CpuPolicy* policy);

/// The CR4 bits that a guest may set for itself.
u64 guest_cr4_bits(const Domain& domain);
/// The XCR0 components that a guest may switch on.
u64 guest_xcr0_mask(const Domain& domain);

/// Whether the processor would take `value` as XCR0, if it has all these components.
constexpr bool is_consistent_xcr0(u64 value)
{
    constexpr u64 x87 = 1, sse = 2, avx = 4, avx512 = 0xe0;
    return (value & x87) && (!(value & avx) || (value & sse)) &&
           (!(value & avx512) || ((value & avx512) == avx512 && (value & avx)));
}

/// The answer to CPUID for a vCPU.
CpuidResult vcpu_cpuid(const Vcpu& vcpu, bool forced_emulation, u32 leaf, u32 subleaf);

}
