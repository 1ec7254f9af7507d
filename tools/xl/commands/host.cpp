// info, dmesg, debug-keys, audit: the machine and its hypervisor.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/session.hpp"
#include "tools/xl/text.hpp"

#include <algorithm>
#include <memory>
#include <sys/utsname.h>

namespace xylem::xl::commands {

namespace {

constexpr u64 pages_a_mib = 256;

template <typename Value> void line(std::string_view name, const Value& value)
{
    fmt::print("{:<23}: {}\n", name, value);
}

void print_kernel()
{
    utsname system{};
    uname(&system);
    line("host", system.nodename);
    line("release", system.release);
    line("version", system.version);
    line("machine", system.machine);
}

std::string virtualisation(u32 capabilities)
{
    struct Capability {
        u32 all;
        const char* name;
    };
    static constexpr Capability known[] = {
        {abi::physcap_pv, "pv"},
        {abi::physcap_hvm, "hvm"},
        {abi::physcap_hvm | abi::physcap_directio, "hvm_directio"},
        {abi::physcap_pv | abi::physcap_directio, "pv_directio"},
        {abi::physcap_hap, "hap"},
        {abi::physcap_shadow, "shadow"},
        {abi::physcap_iommu_hap_pt_share, "iommu_hap_pt_share"},
        {abi::physcap_vmtrace, "vmtrace"},
        {abi::physcap_vpmu, "vpmu"},
        {abi::physcap_gnttab_v1, "gnttab-v1"},
        {abi::physcap_gnttab_v2, "gnttab-v2"},
    };
    std::string text;
    for (const Capability& capability : known)
        if ((capabilities & capability.all) == capability.all)
            text += fmt::format("{}{}", text.empty() ? "" : " ", capability.name);
    return text;
}

std::size_t free_cpus(Session& session, const abi::SysctlPhysinfo& machine)
{
    std::size_t used = 0;
    for (auto pool = session.hypervisor.cpupool(0); pool; pool = session.hypervisor.cpupool(pool->id + 1))
        used += static_cast<std::size_t>(std::count(pool->cpus.begin(), pool->cpus.end(), true));
    return machine.nr_cpus > used ? machine.nr_cpus - used : 0;
}

void print_machine(Session& session, const abi::SysctlPhysinfo& machine)
{
    line("nr_cpus", machine.nr_cpus);
    line("max_cpu_id", machine.max_cpu_id);
    line("nr_nodes", machine.nr_nodes);
    line("cores_per_socket", machine.cores_per_socket);
    line("threads_per_core", machine.threads_per_core);
    line("cpu_mhz", fmt::format("{}.{:03}", machine.cpu_khz / 1000, machine.cpu_khz % 1000));
    const auto& caps = machine.hw_cap;
    line("hw_caps", fmt::format("{:08x}:{:08x}:{:08x}:{:08x}:{:08x}:{:08x}:{:08x}:{:08x}", caps[0], caps[1], caps[2],
                                caps[3], caps[4], caps[5], caps[6], caps[7]));
    line("virt_caps", virtualisation(machine.capabilities));
    line("total_memory", machine.total_pages / pages_a_mib);
    line("free_memory", (machine.free_pages - machine.outstanding_pages) / pages_a_mib);
    line("sharing_freed_memory", 0);
    line("sharing_used_memory", 0);
    line("outstanding_claims", machine.outstanding_pages / pages_a_mib);
    line("free_cpus", free_cpus(session, machine));
}

void print_topology(Session& session)
{
    line("cpu_topology", "");
    fmt::print("cpu:    core    socket     node\n");
    const auto cpus = session.hypervisor.cpu_topology();
    for (std::size_t cpu = 0; cpu < cpus.size(); ++cpu)
        if (cpus[cpu].core != abi::invalid_core_id)
            fmt::print("{:3}:    {:4}     {:4}     {:4}\n", cpu, cpus[cpu].core, cpus[cpu].socket, cpus[cpu].node);
    line("device topology", "");
    fmt::print("device           node\nNo device topology data available\n");
    line("numa_info", "");
    fmt::print("node:    memsize    memfree    distances\n");
    const auto nodes = session.hypervisor.numa_memory();
    for (std::size_t node = 0; node < nodes.size(); ++node)
        if (nodes[node].memsize != ~u64{0})
            fmt::print("{:4}:    {:6}     {:6}      {}\n", node, nodes[node].memsize >> 20, nodes[node].memfree >> 20,
                       10);
}

void print_version(Session& session)
{
    dom0::Hypervisor& hypervisor = session.hypervisor;
    const auto version = hypervisor.version();
    const abi::CompileInfo build = hypervisor.compile_info();
    line("xen_major", version.major);
    line("xen_minor", version.minor);
    line("xen_extra", version.extra);
    line("xen_version", fmt::format("{}.{}{}", version.major, version.minor, version.extra));
    line("xen_caps", hypervisor.capabilities());
    line("xen_scheduler", name_of(hypervisor.scheduler()));
    line("xen_pagesize", page_size);
    line("platform_params", fmt::format("virt_start={:#x}", hypervisor.virtual_start()));
    line("xen_changeset", hypervisor.changeset());
    line("xen_commandline", hypervisor.command_line());
    line("cc_compiler", build.compiler);
    line("cc_compile_by", build.compile_by);
    line("cc_compile_domain", build.compile_domain);
    line("cc_compile_date", build.compile_date);
    line("build_id", hypervisor.build_id());
    line("xend_config_format", 4);
}

void info(bool numa)
{
    Session session;
    print_kernel();
    print_machine(session, session.hypervisor.physinfo());
    if (numa)
        print_topology(session);
    print_version(session);
}

void dmesg(bool clear)
{
    dom0::Hypervisor hypervisor;
    fmt::print("{}", hypervisor.read_log(clear ? dom0::Hypervisor::ClearLog::yes : dom0::Hypervisor::ClearLog::no));
}

void debug_keys(const std::string& keys)
{
    dom0::Hypervisor hypervisor;
    hypervisor.debug_keys(keys);
}

void audit()
{
    dom0::Hypervisor hypervisor;
    const auto result = hypervisor.audit();
    if (!result)
        fail("this hypervisor has no audit: it is not Xylem");
    fmt::print("{}", result->text);
    if (result->violations != 0)
        fail("the audit found {} violations", result->violations);
    fmt::print("audit clean\n");
}

}

void add_host(CLI::App& xl)
{
    auto numa = std::make_shared<bool>(false);
    CLI::App* command = xl.add_subcommand("info", "Get information about Xen host");
    command->add_flag("-n,--numa", *numa, "topology and NUMA nodes too");
    command->callback([numa] { info(*numa); });

    auto clear = std::make_shared<bool>(false);
    command = xl.add_subcommand("dmesg", "Read and/or clear dmesg buffer");
    command->add_flag("-c,--clear", *clear, "clear it after reading");
    command->callback([clear] { dmesg(*clear); });

    auto keys = std::make_shared<std::string>();
    command = xl.add_subcommand("debug-keys", "Send debug keys to Xen");
    command->add_option("keys", *keys, "letters, as typed on the hypervisor's console")->required();
    command->callback([keys] { debug_keys(*keys); });

    xl.add_subcommand("audit", "Check the hypervisor's invariants over the whole machine")->callback(audit);
}

}
