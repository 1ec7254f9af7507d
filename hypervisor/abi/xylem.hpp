// Our one private hypercall, number 55 (arch_7): questions that a test or an operator asks the running hypervisor.
// Only a privileged domain may ask. It is no part of Xen's ABI, and nothing a guest needs.
#pragma once

#include "hypervisor/abi/hypercall.hpp"
#include "hypervisor/abi/types.hpp"

namespace xylem::abi {

inline constexpr HypercallNumber xylem_op_number = HypercallNumber::arch_7;

/// The most vCPUs that a domain has on Xylem; createdomain says no more than EINVAL to more.
inline constexpr uint32_t most_vcpus_on_xylem = 64;

enum class XylemCmd : uint32_t {
    /// Checks the invariants of the whole machine. Writes a text of at most `size` bytes into `text`, how long the
    /// whole
    /// text is into `length`, and answers with the count of violations.
    audit = 0,
    /// How long a vCPU of any domain has been in each state: XylemVcpuStates. vcpu_op tells only the domain itself.
    vcpu_states = 1,
};

struct XylemOp {
    XylemCmd cmd;
    uint32_t flags; // must be 0
    GuestHandle<char> text;
    uint64_t size;   // in: bytes at `text`
    uint64_t length; // out: bytes of the whole answer, which may be more than `size`
};

struct XylemVcpuStates {
    XylemCmd cmd;
    uint32_t flags; // must be 0
    RawDomId domain;
    uint16_t pad;
    uint32_t vcpu;
    uint64_t ns[4]; // out: by Runstate
};

}
