// Questions about the machine: sysctl. (hypervisor.hpp)
#include "dom0/lib/hypervisor_support.hpp"

namespace xylem::dom0 {

using abi::HypercallNumber;
using abi::SysctlCmd;

static abi::Sysctl new_sysctl(SysctlCmd command)
{
    abi::Sysctl operation{};
    operation.cmd = command;
    operation.interface_version = abi::sysctl_interface_version;
    return operation;
}

void Hypervisor::sysctl(abi::Sysctl& operation, const char* name)
{
    Bounce<abi::Sysctl> argument(privcmd_, operation);
    checked(privcmd_.call(number_of(HypercallNumber::sysctl), argument.address()), name);
    operation = *argument;
}

abi::SysctlPhysinfo Hypervisor::physinfo()
{
    abi::Sysctl operation = new_sysctl(SysctlCmd::physinfo);
    sysctl(operation, "sysctl physinfo");
    return operation.u.physinfo;
}

abi::SchedulerId Hypervisor::scheduler()
{
    abi::Sysctl operation = new_sysctl(SysctlCmd::sched_id);
    sysctl(operation, "sysctl sched_id");
    return operation.u.sched_id.sched_id;
}

std::string Hypervisor::read_log(ClearLog clear)
{
    constexpr u32 chunk = 32 << 10;
    Bounce<char> buffer(privcmd_, Elements{chunk});
    std::string text;
    abi::Sysctl operation = new_sysctl(SysctlCmd::readconsole);
    operation.u.readconsole.clear = clear == ClearLog::yes;
    operation.u.readconsole.buffer = {buffer.address()};
    do {
        operation.u.readconsole.count = chunk;
        sysctl(operation, "sysctl readconsole");
        text.append(buffer.values().data(), operation.u.readconsole.count);
        operation.u.readconsole.incremental = 1;
    } while (operation.u.readconsole.count == chunk);
    return text;
}

void Hypervisor::debug_keys(const std::string& keys)
{
    Bounce<char> buffer(privcmd_, std::span<const char>(keys));
    abi::Sysctl operation = new_sysctl(SysctlCmd::debug_keys);
    operation.u.debug_keys = {{buffer.address()}, static_cast<u32>(keys.size())};
    sysctl(operation, "sysctl debug_keys");
}

std::vector<abi::SysctlMeminfo> Hypervisor::numa_memory()
{
    abi::Sysctl operation = new_sysctl(SysctlCmd::numainfo);
    sysctl(operation, "sysctl numainfo");
    Bounce<abi::SysctlMeminfo> buffer(privcmd_, Elements{operation.u.numainfo.num_nodes});
    operation.u.numainfo.meminfo = {buffer.address()};
    sysctl(operation, "sysctl numainfo");
    return {buffer.values().begin(), buffer.values().end()};
}

u64 Hypervisor::free_bytes()
{
    abi::Sysctl operation = new_sysctl(SysctlCmd::availheap);
    operation.u.availheap.node = -1;
    sysctl(operation, "sysctl availheap");
    return operation.u.availheap.avail_bytes;
}

std::optional<Hypervisor::CpuPool> Hypervisor::cpupool(u32 id)
{
    BounceMap cpus(privcmd_, physinfo().max_cpu_id + std::size_t{1});
    abi::Sysctl operation = new_sysctl(SysctlCmd::cpupool_op);
    operation.u.cpupool_op.op = abi::CpupoolCmd::info;
    operation.u.cpupool_op.cpupool_id = id;
    operation.u.cpupool_op.cpumap = cpus.argument();
    try {
        sysctl(operation, "sysctl cpupool_op");
    } catch (const HypercallError& error) {
        if (error.is(std::errc::no_such_file_or_directory))
            return std::nullopt;
        throw;
    }
    const abi::SysctlCpupoolOp& pool = operation.u.cpupool_op;
    return CpuPool{pool.cpupool_id, pool.sched_id, pool.n_dom, cpus.value()};
}

std::vector<abi::SysctlCputopo> Hypervisor::cpu_topology()
{
    abi::Sysctl operation = new_sysctl(SysctlCmd::cputopoinfo);
    sysctl(operation, "sysctl cputopoinfo");
    Bounce<abi::SysctlCputopo> buffer(privcmd_, Elements{operation.u.cputopoinfo.num_cpus});
    operation.u.cputopoinfo.cputopo = {buffer.address()};
    sysctl(operation, "sysctl cputopoinfo");
    return {buffer.values().begin(), buffer.values().end()};
}

std::vector<DomainInfo> Hypervisor::domains()
{
    constexpr u32 batch = 64;
    Bounce<DomainInfo> buffer(privcmd_, Elements{batch});
    std::vector<DomainInfo> all;
    abi::Sysctl operation = new_sysctl(SysctlCmd::getdomaininfolist);
    do {
        operation.u.getdomaininfolist.first_domain = all.empty() ? u16{0} : static_cast<u16>(all.back().domain + 1);
        operation.u.getdomaininfolist.max_domains = batch;
        operation.u.getdomaininfolist.buffer = {buffer.address()};
        sysctl(operation, "sysctl getdomaininfolist");
        const auto found = buffer.values().first(operation.u.getdomaininfolist.num_domains);
        all.insert(all.end(), found.begin(), found.end());
    } while (operation.u.getdomaininfolist.num_domains == batch);
    return all;
}

}
