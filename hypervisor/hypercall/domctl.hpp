// How an operation of domctl looks: one function, given the domain that it is about and the struct in our own copy.
#pragma once

#include "hypervisor/abi/domctl.hpp"
#include "hypervisor/domain/lifecycle.hpp"

namespace xylem::hypercall {

/// Who asks, of whom, and what; `op` is our copy. An operation that has an answer puts it there and sets `copy_back`.
struct DomctlCall {
    Vcpu& self;
    Domain& target;
    abi::Domctl& op;
    bool copy_back = false;

    /// The vCPU with this number. @return `missing` if there is none.
    Result<Vcpu*> vcpu(u32 number, Error missing) const
    {
        Vcpu* found = number < max_vcpus ? target.vcpu(VcpuId(number)) : nullptr;
        if (!found)
            return missing;
        return found;
    }
    bool on_self() const { return &target == self.domain; }
    /// Whether the target still lives, so that it may be given something.
    bool on_living() const { return target.life == LifeState::alive; }
};

/// Holds the vCPUs of an operation's target still for a scope, but for the one that asks.
class Standstill {
public:
    explicit Standstill(DomctlCall& call) : call_(call) { pause_vcpus(call_.target, &call_.self); }
    ~Standstill() { resume_vcpus(call_.target, &call_.self); }
    Standstill(const Standstill&) = delete;
    Standstill& operator=(const Standstill&) = delete;

private:
    DomctlCall& call_;
};

using DomctlFunction = Result<void> (*)(DomctlCall& call);

namespace domctl_ops {
// domctl_domain.cpp: a domain's life and what is known of it
Result<void> destroydomain(DomctlCall& call);
Result<void> pausedomain(DomctlCall& call);
Result<void> unpausedomain(DomctlCall& call);
Result<void> resumedomain(DomctlCall& call);
Result<void> max_vcpus(DomctlCall& call);
Result<void> max_mem(DomctlCall& call);
Result<void> setdomainhandle(DomctlCall& call);
Result<void> settimeoffset(DomctlCall& call);
Result<void> subscribe(DomctlCall& call);
Result<void> set_virq_handler(DomctlCall& call);
Result<void> set_address_size(DomctlCall& call);
Result<void> get_address_size(DomctlCall& call);
Result<void> hypercall_init(DomctlCall& call);
Result<void> settscinfo(DomctlCall& call);
Result<void> gettscinfo(DomctlCall& call);
Result<void> setnodeaffinity(DomctlCall& call);
Result<void> getnodeaffinity(DomctlCall& call);
Result<void> scheduler_op(DomctlCall& call);
Result<void> setdebugging(DomctlCall& call);
Result<void> irq_permission(DomctlCall& call);
Result<void> iomem_permission(DomctlCall& call);
Result<void> ioport_permission(DomctlCall& call);
Result<void> getpageframeinfo3(DomctlCall& call);
Result<void> shadow_op(DomctlCall& call);
// domctl_vcpu.cpp: its vCPUs
Result<void> setvcpucontext(DomctlCall& call);
Result<void> getvcpucontext(DomctlCall& call);
Result<void> getvcpuinfo(DomctlCall& call);
Result<void> setvcpuaffinity(DomctlCall& call);
Result<void> getvcpuaffinity(DomctlCall& call);
Result<void> sendtrigger(DomctlCall& call);
Result<void> set_ext_vcpucontext(DomctlCall& call);
Result<void> get_ext_vcpucontext(DomctlCall& call);
Result<void> setvcpuextstate(DomctlCall& call);
Result<void> getvcpuextstate(DomctlCall& call);
Result<void> get_vcpu_msrs(DomctlCall& call);
Result<void> set_vcpu_msrs(DomctlCall& call);
// cpu_policy_op.cpp: what its processors can do
Result<void> get_cpu_policy(DomctlCall& call);
Result<void> set_cpu_policy(DomctlCall& call);
}

/// What tools are told of a domain.
abi::DomctlGetdomaininfo domain_info(Domain& domain);

}
