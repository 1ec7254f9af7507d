// info, dmesg, debug-keys, set-parameters, audit: the machine and its hypervisor.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/rows.hpp"
#include "tools/xl/session.hpp"
#include "tools/xl/text.hpp"

#include <algorithm>
#include <memory>
#include <sys/utsname.h>

namespace xylem::xl::commands {

namespace {

constexpr u64 pages_a_mib = 256;

void print(const Row& row)
{
    struct Text {
        std::string operator()(std::monostate) const { return {}; }
        std::string operator()(const std::string& text) const { return text; }
        std::string operator()(u64 number) const { return std::to_string(number); }
        std::string operator()(double number) const { return fmt::format("{:.3f}", number); }
        std::string operator()(bool) const { return {}; }
        std::string operator()(const std::vector<u64>&) const { return {}; }
        std::string operator()(const std::vector<Row>&) const { return {}; }
    };
    for (const auto& [name, value] : row)
        fmt::print("{:<23}: {}\n", name, std::visit(Text{}, value));
}

Row kernel_row()
{
    utsname system{};
    uname(&system);
    return {{"host", std::string(system.nodename)},
            {"release", std::string(system.release)},
            {"version", std::string(system.version)},
            {"machine", std::string(system.machine)}};
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

Row machine_row(Session& session)
{
    const abi::SysctlPhysinfo machine = session.hypervisor.physinfo();
    const auto& caps = machine.hw_cap;
    return {{"nr_cpus", u64{machine.nr_cpus}},
            {"max_cpu_id", u64{machine.max_cpu_id}},
            {"nr_nodes", u64{machine.nr_nodes}},
            {"cores_per_socket", u64{machine.cores_per_socket}},
            {"threads_per_core", u64{machine.threads_per_core}},
            {"cpu_mhz", machine.cpu_khz / 1000.0},
            {"hw_caps", fmt::format("{:08x}:{:08x}:{:08x}:{:08x}:{:08x}:{:08x}:{:08x}:{:08x}", caps[0], caps[1],
                                    caps[2], caps[3], caps[4], caps[5], caps[6], caps[7])},
            {"virt_caps", virtualisation(machine.capabilities)},
            {"total_memory", machine.total_pages / pages_a_mib},
            {"free_memory", (machine.free_pages - machine.outstanding_pages) / pages_a_mib},
            {"sharing_freed_memory", u64{0}},
            {"sharing_used_memory", u64{0}},
            {"outstanding_claims", machine.outstanding_pages / pages_a_mib},
            {"free_cpus", u64{free_cpus(session, machine)}}};
}

std::vector<Row> cpu_rows(Session& session)
{
    std::vector<Row> rows;
    const auto cpus = session.hypervisor.cpu_topology();
    for (std::size_t cpu = 0; cpu < cpus.size(); ++cpu)
        if (cpus[cpu].core != abi::invalid_core_id)
            rows.push_back({{"cpu", u64{cpu}},
                            {"core", u64{cpus[cpu].core}},
                            {"socket", u64{cpus[cpu].socket}},
                            {"node", u64{cpus[cpu].node}}});
    return rows;
}

/// Memory in MiB.
std::vector<Row> node_rows(Session& session)
{
    std::vector<Row> rows;
    const auto nodes = session.hypervisor.numa_memory();
    for (std::size_t node = 0; node < nodes.size(); ++node)
        if (nodes[node].memsize != ~u64{0})
            rows.push_back(
                {{"node", u64{node}}, {"memsize", nodes[node].memsize >> 20}, {"memfree", nodes[node].memfree >> 20}});
    return rows;
}

u64 number(const Row& row, std::size_t column)
{
    return std::get<u64>(row[column].second);
}

void print_topology(Session& session)
{
    fmt::print("{:<23}: \ncpu:    core    socket     node\n", "cpu_topology");
    for (const Row& row : cpu_rows(session))
        fmt::print("{:3}:    {:4}     {:4}     {:4}\n", number(row, 0), number(row, 1), number(row, 2), number(row, 3));
    fmt::print("{:<23}: \ndevice           node\nNo device topology data available\n", "device topology");
    fmt::print("{:<23}: \nnode:    memsize    memfree    distances\n", "numa_info");
    for (const Row& row : node_rows(session))
        fmt::print("{:4}:    {:6}     {:6}      {}\n", number(row, 0), number(row, 1), number(row, 2), 10);
}

Row version_row(Session& session)
{
    dom0::Hypervisor& hypervisor = session.hypervisor;
    const auto version = hypervisor.version();
    const abi::CompileInfo build = hypervisor.compile_info();
    return {{"xen_major", u64{version.major}},
            {"xen_minor", u64{version.minor}},
            {"xen_extra", version.extra},
            {"xen_version", fmt::format("{}.{}{}", version.major, version.minor, version.extra)},
            {"xen_caps", hypervisor.capabilities()},
            {"xen_scheduler", std::string(name_of(hypervisor.scheduler()))},
            {"xen_pagesize", u64{page_size}},
            {"platform_params", fmt::format("virt_start={:#x}", hypervisor.virtual_start())},
            {"xen_changeset", hypervisor.changeset()},
            {"xen_commandline", hypervisor.command_line()},
            {"cc_compiler", std::string(build.compiler)},
            {"cc_compile_by", std::string(build.compile_by)},
            {"cc_compile_domain", std::string(build.compile_domain)},
            {"cc_compile_date", std::string(build.compile_date)},
            {"build_id", hypervisor.build_id()},
            {"xend_config_format", u64{4}}};
}

void print_json(Session& session, bool numa)
{
    Row all = kernel_row();
    const auto append = [&](Row row) { all.insert(all.end(), row.begin(), row.end()); };
    append(machine_row(session));
    if (numa)
        append({{"cpu_topology", cpu_rows(session)}, {"numa_info", node_rows(session)}});
    append(version_row(session));
    fmt::print("{}", to_json(all));
}

void info(bool numa, bool as_json)
{
    Session session;
    if (as_json)
        return print_json(session, numa);
    print(kernel_row());
    print(machine_row(session));
    if (numa)
        print_topology(session);
    print(version_row(session));
}

void set_parameter(dom0::Hypervisor& hypervisor, const std::string& word)
{
    const std::size_t equals = word.find('=');
    const bool negated = equals == std::string::npos && word.starts_with("no-");
    const std::string name = negated ? word.substr(3) : word.substr(0, equals);
    const std::string value = equals != std::string::npos ? word.substr(equals + 1) : negated ? "0" : "1";
    switch (hypervisor.set_parameter(name, value)) {
    case dom0::Hypervisor::ParameterSet::done:
        return;
    case dom0::Hypervisor::ParameterSet::no_hypfs:
        fail("this hypervisor's parameters cannot be set while it runs: it has no hypfs; its command line has them");
    case dom0::Hypervisor::ParameterSet::unknown:
        fail("the hypervisor has no parameter '{}' that can be set while it runs", name);
    case dom0::Hypervisor::ParameterSet::refused:
        fail("the hypervisor refuses '{}' for its parameter '{}'", value, name);
    }
}

/// Each word is KEY=VALUE, KEY alone, or no-KEY, as on the hypervisor's command line.
void set_parameters(const std::vector<std::string>& words)
{
    dom0::Hypervisor hypervisor;
    for (const std::string& list : words)
        for (std::size_t start = 0, end = 0; end != std::string::npos; start = end + 1) {
            end = list.find(' ', start);
            const std::string word = list.substr(start, end - start);
            if (!word.empty())
                set_parameter(hypervisor, word);
        }
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

void add_host(dom0::Command xl)
{
    auto numa = std::make_shared<bool>(false);
    auto as_json = std::make_shared<bool>(false);
    dom0::Command command = xl.add_subcommand("info", "Get information about Xen host");
    command.add_flag("-n,--numa", *numa, "topology and NUMA nodes too");
    add_json_flag(command, *as_json);
    command.callback([=] { info(*numa, *as_json); });

    auto clear = std::make_shared<bool>(false);
    command = xl.add_subcommand("dmesg", "Read and/or clear dmesg buffer");
    command.add_flag("-c,--clear", *clear, "clear it after reading");
    command.callback([clear] { dmesg(*clear); });

    auto keys = std::make_shared<std::string>();
    command = xl.add_subcommand("debug-keys", "Send debug keys to Xen");
    command.add_option("keys", *keys, "letters, as typed on the hypervisor's console").required();
    command.callback([keys] { debug_keys(*keys); });

    auto words = std::make_shared<std::vector<std::string>>();
    command = xl.add_subcommand("set-parameters", "Set hypervisor parameters");
    command.add_option("params", *words, "as on the hypervisor's command line: key=value, key or no-key").required();
    command.callback([words] { set_parameters(*words); });

    xl.add_subcommand("audit", "Check the hypervisor's invariants over the whole machine").callback(audit);
}

}
