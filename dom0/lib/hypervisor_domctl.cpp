// What is done to a domain: domctl. (hypervisor.hpp)
#include "dom0/lib/hypervisor_support.hpp"

#include <algorithm>

namespace xylem::dom0 {

using abi::DomctlCmd;
using abi::HypercallNumber;

static abi::Domctl new_domctl(DomctlCmd command, DomId domain)
{
    abi::Domctl operation{};
    operation.cmd = command;
    operation.interface_version = abi::domctl_interface_version;
    operation.domain = domain.value;
    return operation;
}

void Hypervisor::domctl(abi::Domctl& operation, const char* name)
{
    Bounce<abi::Domctl> argument(privcmd_, operation);
    checked(privcmd_.call(number_of(HypercallNumber::domctl), argument.address()), name);
    operation = *argument;
}

std::optional<DomainInfo> Hypervisor::domain(DomId domain)
{
    abi::Domctl operation = new_domctl(DomctlCmd::getdomaininfo, domain);
    try {
        domctl(operation, "domctl getdomaininfo");
    } catch (const HypercallError& error) {
        if (error.is(std::errc::no_such_process))
            return std::nullopt;
        throw;
    }
    if (operation.u.getdomaininfo.domain != domain.value)
        return std::nullopt; // the hypervisor answers with the next domain where there is no such one
    return operation.u.getdomaininfo;
}

DomId Hypervisor::create_domain(const abi::DomctlCreatedomain& wanted)
{
    abi::Domctl operation = new_domctl(DomctlCmd::createdomain, DomId(0));
    operation.u.createdomain = wanted;
    domctl(operation, "domctl createdomain");
    return DomId(operation.domain);
}

void Hypervisor::set_max_vcpus(DomId domain, u32 count)
{
    abi::Domctl operation = new_domctl(DomctlCmd::max_vcpus, domain);
    operation.u.max_vcpus.max = count;
    domctl(operation, "domctl max_vcpus");
}

void Hypervisor::set_max_memory(DomId domain, u64 kib)
{
    abi::Domctl operation = new_domctl(DomctlCmd::max_mem, domain);
    operation.u.max_mem.max_memkb = kib;
    domctl(operation, "domctl max_mem");
}

void Hypervisor::destroy(DomId domain)
{
    abi::Domctl operation = new_domctl(DomctlCmd::destroydomain, domain);
    domctl(operation, "domctl destroydomain");
}

void Hypervisor::pause(DomId domain)
{
    abi::Domctl operation = new_domctl(DomctlCmd::pausedomain, domain);
    domctl(operation, "domctl pausedomain");
}

void Hypervisor::unpause(DomId domain)
{
    abi::Domctl operation = new_domctl(DomctlCmd::unpausedomain, domain);
    domctl(operation, "domctl unpausedomain");
}

abi::DomctlGetvcpuinfo Hypervisor::vcpu_info(DomId domain, u32 vcpu)
{
    abi::Domctl operation = new_domctl(DomctlCmd::getvcpuinfo, domain);
    operation.u.getvcpuinfo.vcpu = vcpu;
    domctl(operation, "domctl getvcpuinfo");
    return operation.u.getvcpuinfo;
}

Hypervisor::Affinity Hypervisor::vcpu_affinity(DomId domain, u32 vcpu)
{
    const std::size_t cpus = physinfo().max_cpu_id + std::size_t{1};
    BounceMap hard(privcmd_, cpus);
    BounceMap soft(privcmd_, cpus);
    abi::Domctl operation = new_domctl(DomctlCmd::getvcpuaffinity, domain);
    operation.u.vcpuaffinity = {vcpu, abi::vcpuaffinity_hard | abi::vcpuaffinity_soft, hard.argument(),
                                soft.argument()};
    domctl(operation, "domctl getvcpuaffinity");
    return {hard.value(), soft.value()};
}

void Hypervisor::set_vcpu_affinity(DomId domain, u32 vcpu, const std::optional<CpuMap>& hard,
                                   const std::optional<CpuMap>& soft)
{
    BounceMap hard_map(privcmd_, hard.value_or(CpuMap{}));
    BounceMap soft_map(privcmd_, soft.value_or(CpuMap{}));
    abi::Domctl operation = new_domctl(DomctlCmd::setvcpuaffinity, domain);
    const u32 flags = (hard ? abi::vcpuaffinity_hard : 0) | (soft ? abi::vcpuaffinity_soft : 0);
    operation.u.vcpuaffinity = {vcpu, flags, hard_map.argument(), soft_map.argument()};
    domctl(operation, "domctl setvcpuaffinity");
}

abi::DomctlSchedCredit Hypervisor::sched_params(DomId domain, abi::SchedulerId scheduler)
{
    abi::Domctl operation = new_domctl(DomctlCmd::scheduler_op, domain);
    operation.u.scheduler_op.sched_id = scheduler;
    operation.u.scheduler_op.cmd = abi::DomctlSchedopCmd::getinfo;
    domctl(operation, "domctl scheduler_op");
    return operation.u.scheduler_op.u.credit;
}

void Hypervisor::set_sched_params(DomId domain, abi::SchedulerId scheduler, abi::DomctlSchedCredit params)
{
    abi::Domctl operation = new_domctl(DomctlCmd::scheduler_op, domain);
    operation.u.scheduler_op.sched_id = scheduler;
    operation.u.scheduler_op.cmd = abi::DomctlSchedopCmd::putinfo;
    operation.u.scheduler_op.u.credit = params;
    domctl(operation, "domctl scheduler_op");
}

void Hypervisor::send_trigger(DomId domain, abi::TriggerType trigger, u32 vcpu)
{
    abi::Domctl operation = new_domctl(DomctlCmd::sendtrigger, domain);
    operation.u.sendtrigger = {trigger, vcpu};
    domctl(operation, "domctl sendtrigger");
}

void Hypervisor::set_handle(DomId domain, const abi::DomainHandle& handle)
{
    abi::Domctl operation = new_domctl(DomctlCmd::setdomainhandle, domain);
    operation.u.setdomainhandle.handle = handle;
    domctl(operation, "domctl setdomainhandle");
}

void Hypervisor::set_time_offset(DomId domain, i64 seconds)
{
    abi::Domctl operation = new_domctl(DomctlCmd::settimeoffset, domain);
    operation.u.settimeoffset.time_offset_seconds = seconds;
    domctl(operation, "domctl settimeoffset");
}

std::optional<abi::VcpuGuestContext> Hypervisor::vcpu_context(DomId domain, u32 vcpu)
{
    Bounce<abi::VcpuGuestContext> buffer(privcmd_, Elements{1});
    abi::Domctl operation = new_domctl(DomctlCmd::getvcpucontext, domain);
    operation.u.vcpucontext = {vcpu, {buffer.address()}};
    try {
        domctl(operation, "domctl getvcpucontext");
    } catch (const HypercallError& error) {
        if (error.is(std::errc::no_message_available)) // ENODATA
            return std::nullopt;
        throw;
    }
    return *buffer;
}

void Hypervisor::page_types(DomId domain, std::span<u64> frames)
{
    Bounce<u64> list(privcmd_, std::span<const u64>(frames));
    abi::Domctl operation = new_domctl(DomctlCmd::getpageframeinfo3, domain);
    operation.u.getpageframeinfo3 = {frames.size(), {list.address()}};
    domctl(operation, "domctl getpageframeinfo3");
    std::copy(list.values().begin(), list.values().end(), frames.begin());
}

void Hypervisor::set_vcpu_context(DomId domain, u32 vcpu, const abi::VcpuGuestContext& context)
{
    Bounce<abi::VcpuGuestContext> buffer(privcmd_, context);
    abi::Domctl operation = new_domctl(DomctlCmd::setvcpucontext, domain);
    operation.u.vcpucontext = {vcpu, {buffer.address()}};
    domctl(operation, "domctl setvcpucontext");
}

void Hypervisor::install_hypercall_page(DomId domain, Mfn frame)
{
    abi::Domctl operation = new_domctl(DomctlCmd::hypercall_init, domain);
    operation.u.hypercall_init.gmfn = frame.value;
    domctl(operation, "domctl hypercall_init");
}

}
