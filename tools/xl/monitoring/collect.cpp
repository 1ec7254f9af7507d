// A sample of the running machine. (sample.hpp)
#include "dom0/lib/vcpu_states.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/monitoring/sample.hpp"
#include "tools/xl/paths.hpp"

#include <charconv>

namespace xylem::xl {

namespace {

constexpr const char* sys = "/sys";

std::vector<u32> numbers_in(Session& session, const std::string& folder)
{
    std::vector<u32> numbers;
    for (const std::string& name : session.store.list_if_exists(folder)) {
        u32 number = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (error == std::errc() && end == name.data() + name.size())
            numbers.push_back(number);
    }
    return numbers;
}

std::string backend_folder(const char* kind, DomId domain)
{
    return fmt::format("{}/backend/{}/{}", domain_path(dom0_id), kind, domain.value);
}

void add_interfaces(Session& session, DomainUse& use, DomId domain)
{
    const std::string folder = backend_folder("vif", domain);
    for (u32 number : numbers_in(session, folder)) {
        const auto name = session.store.find(fmt::format("{}/{}/vifname", folder, number));
        const auto found = read_interface(sys, name.value_or(fmt::format("vif{}.{}", domain.value, number)), number);
        if (found)
            use.interfaces.push_back(*found);
    }
}

void add_disks(Session& session, DomainUse& use, DomId domain)
{
    for (const char* kind : {"vbd", "qdisk"})
        for (u32 number : numbers_in(session, backend_folder(kind, domain)))
            use.disks.push_back(read_disk(dom0::disk_counters_folder, sys, domain, number));
}

/// xenstored may be one that has no such command.
std::map<std::string, u64> ask_store(Session& session, std::initializer_list<std::string> words)
{
    try {
        return parse_store_numbers(session.store.control({words.begin(), words.size()}));
    } catch (const xenstore::StoreError&) {
        return {};
    }
}

/// Nothing if it is not there, or has ended under our eyes.
std::optional<VcpuUse> look_at_vcpu(Session& session, DomId domain, u32 vcpu)
{
    try {
        const abi::DomctlGetvcpuinfo state = session.hypervisor.vcpu_info(domain, vcpu);
        return VcpuUse{vcpu, state.online != 0, state.cpu_time,
                       dom0::vcpu_states(session.hypervisor.privcmd(), domain, vcpu)};
    } catch (const dom0::HypercallError& error) {
        if (!error.is(std::errc::no_such_process))
            throw;
        return std::nullopt;
    }
}

DomainUse look_at(Session& session, const dom0::DomainInfo& info)
{
    DomainUse use;
    use.id = info.domain;
    use.name = name_or_null(session, id_of(info));
    use.uuid = uuid_text(info.handle);
    use.flags = info.flags;
    use.cpu_ns = info.cpu_time;
    use.memory_bytes = info.tot_pages * page_size;
    if (info.max_pages < ~u32{0}) // what Xen gives to a domain that has no limit
        use.max_memory_bytes = info.max_pages * page_size;
    use.ssid = info.ssidref;
    const u32 vcpus = info.max_vcpu_id == abi::invalid_max_vcpu_id ? 0 : info.max_vcpu_id + 1;
    for (u32 vcpu = 0; vcpu < vcpus; ++vcpu)
        if (const auto vcpu_use = look_at_vcpu(session, id_of(info), vcpu))
            use.vcpus.push_back(*vcpu_use);
    add_interfaces(session, use, id_of(info));
    add_disks(session, use, id_of(info));
    return use;
}

}

Sample take_sample(Session& session, StoreDetail detail)
{
    const abi::SysctlPhysinfo machine = session.hypervisor.physinfo();
    const dom0::Hypervisor::Version version = session.hypervisor.version();
    Sample sample;
    sample.at = std::chrono::steady_clock::now();
    sample.time = std::time(nullptr);
    sample.version = fmt::format("{}.{}{}", version.major, version.minor, version.extra);
    sample.memory_bytes = machine.total_pages * page_size;
    sample.free_bytes = machine.free_pages * page_size;
    sample.cpus = machine.nr_cpus;
    sample.cpu_khz = machine.cpu_khz;
    if (detail == StoreDetail::use)
        sample.store_quotas = ask_store(session, {"quota"});
    for (const dom0::DomainInfo& info : session.hypervisor.domains()) {
        sample.domains.push_back(look_at(session, info));
        if (detail == StoreDetail::use)
            sample.domains.back().store = ask_store(session, {"quota", std::to_string(info.domain)});
    }
    return sample;
}

}
