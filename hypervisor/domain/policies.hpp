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

/// The answer to CPUID for a vCPU.
CpuidResult vcpu_cpuid(const Vcpu& vcpu, bool forced_emulation, u32 leaf, u32 subleaf);

}
