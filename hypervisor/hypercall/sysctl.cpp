// sysctl: what tools ask of the machine as a whole. (xen/include/public/sysctl.h; docs/pv-abi.md 5.6)

#include "hypervisor/hypercall/sysctl.hpp"

#include "hypervisor/core/console.hpp"
#include "hypervisor/core/guest_ptr.hpp"
#include "hypervisor/core/log.hpp"
#include "hypervisor/domain/lifecycle.hpp"
#include "hypervisor/domain/policies.hpp"
#include "hypervisor/domain/vcpu_machine.hpp"
#include "hypervisor/hypercall/bitmap.hpp"
#include "hypervisor/hypercall/domctl.hpp"
#include "hypervisor/hypercall/hypercall.hpp"
#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/host_memory.hpp"
#include "hypervisor/sched/sched.hpp"

namespace xylem::hypercall {
namespace {

constexpr u32 ratelimit_us = 1000; // what a woken vCPU leaves to the running one (sched.cpp)

Result<void> readconsole(SysctlCall& call)
{
    abi::SysctlReadconsole& op = call.op.u.readconsole;
    // An index of the caller's is 32 bits of ours: put it into the same 4 GiB as where the log now is.
    const u64 start = machine::log_start();
    u64 index = op.incremental ? (start & ~u64{0xffffffff}) | op.index : start;
    u32 copied = 0;
    char piece[256];
    while (copied < op.count) {
        const u32 room = op.count - copied < sizeof piece ? op.count - copied : sizeof piece;
        const size_t length = machine::read_log(index, piece, room);
        if (length == 0)
            break;
        TRY(GuestOut<char>(op.buffer.address).copy_out_array(piece, length, copied));
        copied += static_cast<u32>(length);
    }
    if (op.clear)
        machine::clear_log();
    op.count = copied;
    op.index = static_cast<u32>(index);
    return {};
}

Result<void> physinfo(SysctlCall& call)
{
    abi::SysctlPhysinfo& info = call.op.u.physinfo;
    info = {};
    info.threads_per_core = 1;
    info.cores_per_socket = 1;
    info.nr_cpus = machine::cpu_count();
    info.max_cpu_id = machine::cpu_count() - 1;
    info.nr_nodes = 1;
    info.max_node_id = 63;
    info.cpu_khz = machine::time_scale().khz;
    info.capabilities = abi::physcap_pv | abi::physcap_gnttab_v1 | abi::physcap_gnttab_v2;
    info.total_pages = mm::host_ram_pages(); // Xen's count: the hypervisor's own are among them
    info.free_pages = mm::free_frame_count();
    info.outstanding_pages = mm::claimed_frame_count();
    info.max_mfn = machine::max_mfn.value - 1;
    const CpuPolicy& host = cpu_policies.host;
    const u32 words[8] = {host.basic[1].d,  host.basic[1].c,   host.extended[1].d, host.extended[1].c,
                          host.xstate[1].a, host.feature[0].b, host.feature[0].c,  host.extended[7].d};
    __builtin_memcpy(info.hw_cap, words, sizeof words);
    return {};
}

Result<void> sched_id(SysctlCall& call)
{
    call.op.u.sched_id.sched_id = abi::SchedulerId::credit2;
    return {};
}

Result<void> getdomaininfolist(SysctlCall& call)
{
    abi::SysctlGetdomaininfolist& op = call.op.u.getdomaininfolist;
    const GuestOut<abi::DomctlGetdomaininfo> list(op.buffer.address);
    DomId next(op.first_domain);
    u32 count = 0;
    while (count < op.max_domains) {
        Result<DomainRef> domain = find_domain_from(next);
        if (!domain.ok())
            break;
        TRY(list.copy_out(domain_info(*domain.value()), count++));
        next = domain.value()->id + 1;
    }
    op.num_domains = count;
    return {};
}

Result<void> getcpuinfo(SysctlCall& call)
{
    abi::SysctlGetcpuinfo& op = call.op.u.getcpuinfo;
    const u32 count = op.max_cpus < machine::cpu_count() ? op.max_cpus : machine::cpu_count();
    for (u32 i = 0; i < count; ++i)
        TRY(GuestOut<abi::SysctlCpuinfo>(op.info.address).copy_out({sched::idle_time(CpuId(i))}, i));
    op.nr_cpus = count;
    return {};
}

Result<void> availheap(SysctlCall& call)
{
    call.op.u.availheap.avail_bytes = mm::free_frame_count() << page_shift;
    return {};
}

Result<void> cputopoinfo(SysctlCall& call)
{
    abi::SysctlCputopoinfo& op = call.op.u.cputopoinfo;
    const u32 cpus = machine::cpu_count();
    if (op.cputopo.is_null()) {
        op.num_cpus = cpus;
        return {};
    }
    const u32 count = op.num_cpus < cpus ? op.num_cpus : cpus;
    for (u32 i = 0; i < count; ++i)
        TRY(GuestOut<abi::SysctlCputopo>(op.cputopo.address).copy_out({0, i, 0}, i));
    op.num_cpus = count;
    return {};
}

Result<void> numainfo(SysctlCall& call)
{
    abi::SysctlNumainfo& op = call.op.u.numainfo;
    if (op.meminfo.is_null() && op.distance.is_null()) {
        op.num_nodes = 1;
        return {};
    }
    if (op.num_nodes == 0)
        return {};
    if (!op.meminfo.is_null()) {
        const abi::SysctlMeminfo info{mm::total_frames() << page_shift, mm::free_frame_count() << page_shift};
        TRY(GuestOut<abi::SysctlMeminfo>(op.meminfo.address).copy_out(info));
    }
    if (!op.distance.is_null())
        TRY(GuestOut<u32>(op.distance.address).copy_out(10));
    op.num_nodes = 1;
    return {};
}

/// There is one pool, with all processors in it.
Result<void> cpupool_op(SysctlCall& call)
{
    abi::SysctlCpupoolOp& op = call.op.u.cpupool_op;
    const u64 all = machine::cpu_count() >= 64 ? ~u64{0} : (u64{1} << machine::cpu_count()) - 1;
    switch (op.op) {
    case abi::CpupoolCmd::info: {
        if (op.cpupool_id != 0)
            return Error::NoEntry;
        op.sched_id = abi::SchedulerId::credit2;
        op.n_dom = 0;
        for (DomId next{0};;) {
            Result<DomainRef> domain = find_domain_from(next);
            if (!domain.ok())
                break;
            ++op.n_dom;
            next = domain.value()->id + 1;
        }
        return copy_bitmap_out(op.cpumap, all);
    }
    case abi::CpupoolCmd::freeinfo:
        return copy_bitmap_out(op.cpumap, 0);
    case abi::CpupoolCmd::movedomain:
        return op.cpupool_id == 0 ? Result<void>() : Error::NoEntry;
    case abi::CpupoolCmd::create:
    case abi::CpupoolCmd::destroy:
    case abi::CpupoolCmd::addcpu:
    case abi::CpupoolCmd::rmcpu:
        return Error::NotSupported;
    }
    return Error::NotImplemented;
}

Result<void> scheduler_op(SysctlCall& call)
{
    abi::SysctlSchedulerOp& op = call.op.u.scheduler_op;
    if (op.cpupool_id != 0)
        return Error::NoSuchDomain;
    if (op.sched_id != abi::SchedulerId::credit2)
        return Error::Invalid;
    if (op.cmd != abi::SysctlSchedopCmd::getinfo)
        return Error::NotSupported;
    op.u.sched_credit2.ratelimit_us = ratelimit_us;
    return {};
}

/// Keys as on the hypervisor's console; what each prints goes to the log.
Result<void> debug_keys(SysctlCall& call)
{
    const abi::SysctlDebugKeys& op = call.op.u.debug_keys;
    constexpr u32 most = 64;
    for (u32 i = 0; i < op.nr_keys && i < most; ++i)
        log(LogLevel::info, "debug key '{}' pressed by tools: nothing is bound to it",
            static_cast<u32>(TRY(GuestIn<char>(op.keys.address).copy_in(i))));
    return {};
}

Result<void> cpu_levelling_caps(SysctlCall& call)
{
    call.op.u.cpu_levelling_caps.caps = 0;
    return {};
}

Result<void> pcitopoinfo(SysctlCall& call)
{
    abi::SysctlPcitopoinfo& op = call.op.u.pcitopoinfo;
    constexpr u32 most = 1024;
    if (op.num_devs > most)
        return Error::TooBig;
    for (u32 i = 0; i < op.num_devs; ++i)
        TRY(GuestOut<u32>(op.nodes.address).copy_out(0, i));
    return {};
}

Result<void> operate(Vcpu& self, abi::Sysctl& op)
{
    SysctlCall call{self, op};
    using enum abi::SysctlCmd;
    switch (op.cmd) {
    case readconsole:
        return hypercall::readconsole(call);
    case physinfo:
        return hypercall::physinfo(call);
    case sched_id:
        return hypercall::sched_id(call);
    case getdomaininfolist:
        return hypercall::getdomaininfolist(call);
    case debug_keys:
        return hypercall::debug_keys(call);
    case getcpuinfo:
        return hypercall::getcpuinfo(call);
    case availheap:
        return hypercall::availheap(call);
    case cputopoinfo:
        return hypercall::cputopoinfo(call);
    case numainfo:
        return hypercall::numainfo(call);
    case cpupool_op:
        return hypercall::cpupool_op(call);
    case scheduler_op:
        return hypercall::scheduler_op(call);
    case pcitopoinfo:
        return hypercall::pcitopoinfo(call);
    case get_cpu_levelling_caps:
        return hypercall::cpu_levelling_caps(call);
    case get_cpu_featureset:
        return sysctl_ops::get_cpu_featureset(call);
    case get_cpu_policy:
        return sysctl_ops::get_cpu_policy(call);
    case coverage_op:
    case psr_cmt_op:
    case psr_alloc:
    case livepatch_op:
        return Error::NotSupported;
    default:
        return unknown_operation(*self.domain, "sysctl", static_cast<u32>(op.cmd));
    }
}

/// Whether the struct goes back although the operation failed: the answer says how far it came.
bool answers_on_error(abi::SysctlCmd cmd)
{
    return cmd == abi::SysctlCmd::get_cpu_featureset;
}

}

i64 sysctl(Vcpu& self, Arguments& args)
{
    const GuestInOut<abi::Sysctl> argument(args.a[0]);
    Result<abi::Sysctl> read = argument.copy_in();
    if (!read.ok())
        return to_errno(Error::Fault);
    abi::Sysctl& op = read.value();
    if (op.interface_version != abi::sysctl_interface_version)
        return to_errno(Error::Access);
    if (!self.domain->privileged())
        return to_errno(Error::NotPermitted);
    const Result<void> result = operate(self, op);
    if ((result.ok() || answers_on_error(op.cmd)) && !argument.copy_out(op).ok())
        return to_errno(Error::Fault);
    return to_wire(result);
}

}
