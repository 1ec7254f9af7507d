// See hypervisor.hpp.
#include "dom0/lib/hypervisor.hpp"

#include "hypervisor/abi/event_channel.hpp"
#include "hypervisor/abi/memory.hpp"

#include <cerrno>
#include <cstring>

namespace xylem::dom0 {

using abi::DomctlCmd;
using abi::HypercallNumber;
using abi::SysctlCmd;
using abi::VersionCmd;

namespace {

constexpr u64 number_of(HypercallNumber number)
{
    return static_cast<u64>(number);
}

abi::Sysctl new_sysctl(SysctlCmd command)
{
    abi::Sysctl operation{};
    operation.cmd = command;
    operation.interface_version = abi::sysctl_interface_version;
    return operation;
}

abi::Domctl new_domctl(DomctlCmd command, DomId domain)
{
    abi::Domctl operation{};
    operation.cmd = command;
    operation.interface_version = abi::domctl_interface_version;
    operation.domain = domain.value;
    return operation;
}

/// A processor bitmap in hypercall memory.
class BounceMap {
public:
    BounceMap(Privcmd& privcmd, std::size_t bits) : bytes_(privcmd, Elements{(bits + 63) / 64 * 8}), bits_(bits) {}
    BounceMap(Privcmd& privcmd, const CpuMap& map) : BounceMap(privcmd, map.size())
    {
        for (std::size_t i = 0; i < map.size(); ++i)
            if (map[i])
                bytes_.values()[i / 8] |= static_cast<u8>(1U << (i % 8));
    }
    abi::Bitmap argument() const { return {{bytes_.address()}, static_cast<u32>(bits_)}; }
    CpuMap value() const
    {
        CpuMap map(bits_);
        for (std::size_t i = 0; i < bits_; ++i)
            map[i] = bytes_.values()[i / 8] >> (i % 8) & 1;
        return map;
    }

private:
    Bounce<u8> bytes_;
    std::size_t bits_;
};

int checked(int result, const char* name)
{
    if (result < 0)
        throw HypercallError(-result, name);
    return result;
}

}

void Hypervisor::sysctl(abi::Sysctl& operation, const char* name)
{
    Bounce<abi::Sysctl> argument(privcmd_, operation);
    checked(privcmd_.call(number_of(HypercallNumber::sysctl), argument.address()), name);
    operation = *argument;
}

void Hypervisor::domctl(abi::Domctl& operation, const char* name)
{
    Bounce<abi::Domctl> argument(privcmd_, operation);
    checked(privcmd_.call(number_of(HypercallNumber::domctl), argument.address()), name);
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

std::string Hypervisor::version_text(VersionCmd command, std::size_t size, const char* name)
{
    Bounce<char> buffer(privcmd_, Elements{size});
    checked(privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(command), buffer.address()), name);
    return std::string(buffer.values().data(), strnlen(buffer.values().data(), size));
}

Hypervisor::Version Hypervisor::version()
{
    const int number = checked(
        privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::version)), "xen_version");
    return {static_cast<u32>(number) >> 16, static_cast<u32>(number) & 0xFFFF,
            version_text(VersionCmd::extraversion, sizeof(abi::Extraversion), "xen_version extraversion")};
}

std::string Hypervisor::capabilities()
{
    return version_text(VersionCmd::capabilities, sizeof(abi::CapabilitiesInfo), "xen_version capabilities");
}

std::string Hypervisor::changeset()
{
    return version_text(VersionCmd::changeset, sizeof(abi::ChangesetInfo), "xen_version changeset");
}

std::string Hypervisor::command_line()
{
    return version_text(VersionCmd::commandline, sizeof(abi::Commandline), "xen_version commandline");
}

abi::CompileInfo Hypervisor::compile_info()
{
    Bounce<abi::CompileInfo> buffer(privcmd_, Elements{1});
    checked(privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::compile_info),
                          buffer.address()),
            "xen_version compile_info");
    return *buffer;
}

u64 Hypervisor::virtual_start()
{
    Bounce<abi::PlatformParameters> buffer(privcmd_, Elements{1});
    checked(privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::platform_parameters),
                          buffer.address()),
            "xen_version platform_parameters");
    return buffer->virt_start;
}

std::string Hypervisor::build_id()
{
    constexpr u32 longest = 64;
    Bounce<u8> buffer(privcmd_, Elements{sizeof(abi::BuildId) + longest});
    std::memcpy(buffer.values().data(), &longest, sizeof longest);
    const int length = privcmd_.call(number_of(HypercallNumber::xen_version), static_cast<u64>(VersionCmd::build_id),
                                     buffer.address());
    if (length == -ENODATA || length == -ENOSYS)
        return {};
    checked(length, "xen_version build_id");
    std::string text;
    static constexpr char digits[] = "0123456789abcdef";
    for (u8 byte : buffer.values().subspan(sizeof(abi::BuildId), static_cast<std::size_t>(length))) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
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

void Hypervisor::set_time_offset(DomId domain, i64 seconds)
{
    abi::Domctl operation = new_domctl(DomctlCmd::settimeoffset, domain);
    operation.u.settimeoffset.time_offset_seconds = seconds;
    domctl(operation, "domctl settimeoffset");
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

std::size_t Hypervisor::populate(DomId domain, std::span<u64> frames, unsigned order)
{
    Bounce<u64> list(privcmd_, std::span<const u64>(frames));
    abi::MemoryReservation wanted{};
    wanted.extent_start = {list.address()};
    wanted.nr_extents = frames.size();
    wanted.extent_order = order;
    wanted.domid = domain.value;
    Bounce<abi::MemoryReservation> argument(privcmd_, wanted);
    const i64 done = privcmd_.call_long(number_of(HypercallNumber::memory_op),
                                        static_cast<u64>(abi::MemoryCmd::populate_physmap), argument.address());
    checked(static_cast<int>(done < 0 ? done : 0), "memory_op populate_physmap");
    std::memcpy(frames.data(), list.values().data(), static_cast<std::size_t>(done) * sizeof(u64));
    return static_cast<std::size_t>(done);
}

void Hypervisor::set_memory_map(DomId domain, u64 bytes)
{
    Bounce<abi::E820Entry> entry(privcmd_, abi::E820Entry{0, bytes, static_cast<u32>(abi::E820Type::ram)});
    Bounce<abi::ForeignMemoryMap> argument(privcmd_, abi::ForeignMemoryMap{domain.value, {1, {entry.address()}}});
    const i64 result = privcmd_.call_long(number_of(HypercallNumber::memory_op),
                                          static_cast<u64>(abi::MemoryCmd::set_memory_map), argument.address());
    checked(static_cast<int>(result), "memory_op set_memory_map");
}

void Hypervisor::pin_l4(DomId domain, Mfn frame)
{
    abi::MmuextOp pin{};
    pin.cmd = abi::MmuextCmd::pin_l4_table;
    pin.arg1.mfn = frame.value;
    Bounce<abi::MmuextOp> argument(privcmd_, pin);
    checked(privcmd_.call(number_of(HypercallNumber::mmuext_op), argument.address(), 1, 0, domain.value),
            "mmuext_op pin_l4_table");
}

Port Hypervisor::alloc_unbound(DomId domain, DomId remote)
{
    Bounce<abi::EvtchnAllocUnbound> argument(privcmd_, abi::EvtchnAllocUnbound{domain.value, remote.value, 0});
    checked(privcmd_.call(number_of(HypercallNumber::event_channel_op), static_cast<u64>(abi::EvtchnCmd::alloc_unbound),
                          argument.address()),
            "event_channel_op alloc_unbound");
    return Port(argument->port);
}

std::optional<Hypervisor::Audit> Hypervisor::audit()
{
    constexpr std::size_t room = 256 << 10;
    Bounce<char> text(privcmd_, Elements{room});
    Bounce<abi::XylemOp> argument(privcmd_, abi::XylemOp{abi::XylemCmd::audit, 0, {text.address()}, room, 0});
    const i64 result = privcmd_.call_long(number_of(abi::xylem_op_number), argument.address());
    if (result == -ENOSYS)
        return std::nullopt;
    checked(static_cast<int>(result < 0 ? result : 0), "xylem_op audit");
    const std::size_t length = std::min<std::size_t>(argument->length, room);
    return Audit{static_cast<u64>(result), std::string(text.values().data(), length)};
}

}
