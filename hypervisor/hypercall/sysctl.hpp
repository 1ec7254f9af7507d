// How an operation of sysctl looks: one function, given the struct in our own copy, which goes back to the caller.
#pragma once

#include "hypervisor/abi/sysctl.hpp"
#include "hypervisor/domain/domain.hpp"

namespace xylem::hypercall {

struct SysctlCall {
    Vcpu& self;
    abi::Sysctl& op;
};

namespace sysctl_ops {
Result<void> get_cpu_policy(SysctlCall& call);
Result<void> get_cpu_featureset(SysctlCall& call);
}

}
