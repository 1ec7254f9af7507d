// vcpu-list, vcpu-set, vcpu-pin.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/paths.hpp"
#include "tools/xl/rows.hpp"
#include "tools/xl/text.hpp"

#include <charconv>
#include <memory>

namespace xylem::xl::commands {

namespace {

u32 vcpus_of(const dom0::DomainInfo& info)
{
    return info.max_vcpu_id == abi::invalid_max_vcpu_id ? 0 : info.max_vcpu_id + 1;
}

struct Vcpu {
    abi::DomctlGetvcpuinfo state;
    dom0::Hypervisor::Affinity affinity;
};

void print_vcpu(const dom0::DomainInfo& info, const std::string& name, const Vcpu& vcpu)
{
    fmt::print("{:<32} {:5}  {:4}", name, info.domain, vcpu.state.vcpu);
    if (vcpu.state.online)
        fmt::print("{:5}   {}{}- ", vcpu.state.cpu, vcpu.state.running ? 'r' : '-', vcpu.state.blocked ? 'b' : '-');
    else
        fmt::print("{:>5}   --p ", '-');
    fmt::print("{:9.1f}  {} / {}\n", static_cast<double>(vcpu.state.cpu_time) / 1e9, text_of(vcpu.affinity.hard),
               text_of(vcpu.affinity.soft));
}

Row row_of(const dom0::DomainInfo& info, const std::string& name, const Vcpu& vcpu)
{
    const bool online = vcpu.state.online;
    return {{"name", name},
            {"domid", u64{info.domain}},
            {"vcpu", u64{vcpu.state.vcpu}},
            {"online", online},
            {"cpu", online ? Value(u64{vcpu.state.cpu}) : Value()},
            {"running", online && vcpu.state.running},
            {"blocked", online && vcpu.state.blocked},
            {"cpu_time_ns", u64{vcpu.state.cpu_time}},
            {"hard_affinity", numbers_of(vcpu.affinity.hard)},
            {"soft_affinity", numbers_of(vcpu.affinity.soft)}};
}

void vcpu_list(const std::vector<std::string>& names, bool as_json)
{
    Session session;
    const std::vector<dom0::DomainInfo> domains = select(session, names);
    std::vector<Row> rows;
    if (!as_json)
        fmt::print("{:<32} {:>5} {:>5} {:>5} {:>5} {:>9} {}\n", "Name", "ID", "VCPU", "CPU", "State", "Time(s)",
                   "Affinity (Hard / Soft)");
    for (const dom0::DomainInfo& info : domains) {
        const std::string name = name_or_null(session, id_of(info));
        for (u32 number = 0; number < vcpus_of(info); ++number) {
            const Vcpu vcpu{session.hypervisor.vcpu_info(id_of(info), number),
                            session.hypervisor.vcpu_affinity(id_of(info), number)};
            if (as_json)
                rows.push_back(row_of(info, name, vcpu));
            else
                print_vcpu(info, name, vcpu);
        }
    }
    if (as_json)
        fmt::print("{}", to_json(rows));
}

void vcpu_set(const std::string& name, u32 count)
{
    Session session;
    const dom0::DomainInfo info = resolve(session, name);
    if (count == 0 || count > vcpus_of(info))
        fail("domain '{}' has {} vCPUs; expected a number from 1 to that", name, vcpus_of(info));
    session.store.transact([&](xenstore::StoreView& store) {
        for (u32 vcpu = 0; vcpu < vcpus_of(info); ++vcpu)
            store.write(fmt::format("{}/cpu/{}/availability", domain_path(id_of(info)), vcpu),
                        vcpu < count ? "online" : "offline");
    });
}

struct PinArguments {
    std::string domain;
    std::string vcpu;
    std::string hard;
    std::string soft = "-";
    bool force = false;
};

void vcpu_pin(const PinArguments& arguments)
{
    Session session;
    const dom0::DomainInfo info = resolve(session, arguments.domain);
    const std::size_t cpus = session.hypervisor.physinfo().max_cpu_id + std::size_t{1};
    const auto map = [&](const std::string& list) {
        return list == "-" ? std::nullopt : std::optional(parse_cpu_list(list, cpus));
    };
    const auto hard = map(arguments.hard);
    const auto soft = map(arguments.soft);
    u32 first = 0;
    u32 last = vcpus_of(info);
    if (arguments.vcpu != "all") {
        const char* end = arguments.vcpu.data() + arguments.vcpu.size();
        const auto [stop, error] = std::from_chars(arguments.vcpu.data(), end, first);
        if (error != std::errc() || stop != end || first >= vcpus_of(info))
            fail("domain '{}' has no vCPU '{}'; expected all or a number below {}", arguments.domain, arguments.vcpu,
                 vcpus_of(info));
        last = first + 1;
    }
    for (u32 vcpu = first; vcpu < last; ++vcpu)
        session.hypervisor.set_vcpu_affinity(id_of(info), vcpu, hard, soft);
}

}

void add_vcpu(dom0::Command xl)
{
    auto names = std::make_shared<std::vector<std::string>>();
    dom0::Command command = xl.add_subcommand("vcpu-list", "List the VCPUs for all/some domains");
    command.add_option("domain", *names, "names or ids; all domains if none");
    auto as_json = std::make_shared<bool>(false);
    add_json_flag(command, *as_json);
    command.callback([=] { vcpu_list(*names, *as_json); });

    auto set = std::make_shared<std::pair<std::string, u32>>();
    command = add_domain_command(xl, "vcpu-set", "Set the number of active VCPUs allowed for the domain", set->first);
    command.add_option("count", set->second, "how many").required();
    command.add_flag("-i,--ignore-host", "more than the host has processors is allowed anyway");
    command.callback([set] { vcpu_set(set->first, set->second); });

    auto pin = std::make_shared<PinArguments>();
    command = add_domain_command(xl, "vcpu-pin", "Set which CPUs a VCPU can use", pin->domain);
    command.add_option("vcpu", pin->vcpu, "a vCPU's number, or all").required();
    command.add_option("cpus", pin->hard, "where it may run: a list of processors, all, or - for no change").required();
    command.add_option("cpus-soft", pin->soft, "where it likes to run");
    command.callback([pin] { vcpu_pin(*pin); });
}

}
