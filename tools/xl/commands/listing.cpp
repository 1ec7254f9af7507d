// list, vm-list, domid, domname, uptime: which domains there are.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/paths.hpp"
#include "tools/xl/record.hpp"
#include "tools/xl/rows.hpp"

#include "hypervisor/abi/sched.hpp"

#include <charconv>
#include <chrono>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

namespace xylem::xl::commands {

namespace {

struct ListArguments {
    std::vector<std::string> domains;
    bool as_json = false;
    bool verbose = false;
    bool context = false;
    bool cpupool = false;
    bool numa = false;
    bool claims = false;
};

/// What a running domain's record does not tell: how much it has now, and how it is scheduled.
Json describe(Session& session, const dom0::DomainInfo& info)
{
    const std::string uuid = uuid_text(info.handle);
    Json config = load_record(id_of(info), uuid);
    config["c_info"]["type"] = "pv";
    config["c_info"]["name"] = name_or_null(session, id_of(info));
    if (info.domain != 0)
        config["c_info"]["uuid"] = uuid;
    Json& build = config["b_info"];
    build["max_memkb"] = info.max_pages * 4;
    build["target_memkb"] = info.tot_pages * 4;
    if (const auto target = session.store.find(domain_path(id_of(info)) + "/memory/target"))
        build["target_memkb"] = std::strtoull(target->c_str(), nullptr, 10);
    if (const auto most = session.store.find(domain_path(id_of(info)) + "/memory/static-max"))
        build["max_memkb"] = std::strtoull(most->c_str(), nullptr, 10);
    return Json{{"domid", info.domain}, {"config", std::move(config)}};
}

/// Why it has shut down, if it has.
std::optional<u32> shutdown_reason(const dom0::DomainInfo& info)
{
    if (!(info.flags & abi::dominf_shutdown))
        return std::nullopt;
    return info.flags >> abi::dominf_shutdownshift & abi::dominf_shutdownmask;
}

/// A shut down domain's fifth letter tells why: of reboot, suspend, crash, watchdog, soft reset; none of a power-off.
std::string flags_of(const dom0::DomainInfo& info)
{
    static constexpr std::string_view reasons = "-rscwS";
    const auto flag = [&](u32 bit, char letter) { return info.flags & bit ? letter : '-'; };
    const u32 reason = shutdown_reason(info).value_or(0);
    return {flag(abi::dominf_running, 'r'),
            flag(abi::dominf_blocked, 'b'),
            flag(abi::dominf_paused, 'p'),
            flag(abi::dominf_shutdown, 's'),
            reason < reasons.size() ? reasons[reason] : '?',
            flag(abi::dominf_dying, 'd')};
}

std::string reason_code(const dom0::DomainInfo& info)
{
    const std::optional<u32> reason = shutdown_reason(info);
    return reason ? fmt::format("{:x}", *reason) : "-";
}

void print_row(Session& session, const ListArguments& arguments, const dom0::DomainInfo& info)
{
    fmt::print("{:<40} {:5} {:5} {:5}     {}  {:8.1f}", name_or_null(session, id_of(info)), info.domain,
               (info.tot_pages + info.outstanding_pages) / 256, info.nr_online_vcpus, flags_of(info),
               static_cast<double>(info.cpu_time) / 1e9);
    if (arguments.verbose)
        fmt::print(" {} {:>8}", uuid_text(info.handle), reason_code(info));
    if (arguments.verbose || arguments.context)
        fmt::print(" {:>16}", "-");
    if (arguments.cpupool)
        fmt::print("{:>16}", session.store.find(fmt::format("/local/pool/{}/name", info.cpupool)).value_or("?"));
    if (arguments.numa)
        fmt::print(" all");
    if (arguments.claims)
        fmt::print(" {:5}", info.outstanding_pages / 256);
    fmt::print("\n");
}

void list(const ListArguments& arguments)
{
    Session session;
    const std::vector<dom0::DomainInfo> domains = select(session, arguments.domains);
    if (arguments.as_json) {
        Json all = Json::array();
        for (const dom0::DomainInfo& info : domains)
            all.push_back(describe(session, info));
        fmt::print("{}\n", pretty(all));
        return;
    }
    fmt::print("{:<40} {:>5} {:>5} {:>5}\t{}\t{}", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)");
    if (arguments.verbose)
        fmt::print("   UUID                            Reason-Code\tSecurity Label");
    else if (arguments.context)
        fmt::print("   Security Label");
    if (arguments.cpupool)
        fmt::print("         Cpupool");
    if (arguments.numa)
        fmt::print(" NODE Affinity");
    if (arguments.claims)
        fmt::print("  Claimed");
    fmt::print("\n");
    for (const dom0::DomainInfo& info : domains)
        print_row(session, arguments, info);
}

/// What is claimed of the machine's memory, and not yet had.
std::vector<Row> claims_of(Session& session)
{
    std::vector<Row> rows;
    for (const dom0::DomainInfo& info : session.hypervisor.domains())
        rows.push_back({{"name", name_or_null(session, id_of(info))},
                        {"domid", u64{info.domain}},
                        {"memory_kib", (info.tot_pages + info.outstanding_pages) * 4},
                        {"claimed_kib", info.outstanding_pages * 4}});
    return rows;
}

void claims(bool as_json)
{
    if (as_json) {
        Session session;
        fmt::print("{}", to_json(claims_of(session)));
        return;
    }
    ListArguments all;
    all.claims = true;
    list(all);
}

void vm_list(bool as_json)
{
    Session session;
    std::vector<Row> rows;
    if (!as_json)
        fmt::print("UUID                                  ID    name\n");
    for (const dom0::DomainInfo& info : session.hypervisor.domains()) {
        if (info.domain == 0)
            continue;
        const std::string uuid = uuid_text(info.handle);
        const std::string name = name_or_null(session, id_of(info));
        if (as_json)
            rows.push_back({{"uuid", uuid}, {"domid", u64{info.domain}}, {"name", name}});
        else
            fmt::print("{}  {}    {:<30}\n", uuid, info.domain, name);
    }
    if (as_json)
        fmt::print("{}", to_json(rows));
}

u64 seconds_up(Session& session, const dom0::DomainInfo& info)
{
    if (info.domain == 0) {
        double seconds = 0;
        std::ifstream("/proc/uptime") >> seconds;
        return static_cast<u64>(seconds);
    }
    const auto vm = session.store.find(domain_path(id_of(info)) + "/vm");
    const auto start = vm ? session.store.find(*vm + "/start_time") : std::nullopt;
    if (!start)
        return 0;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto began = static_cast<i64>(std::strtod(start->c_str(), nullptr));
    return static_cast<u64>(std::max<i64>(std::chrono::duration_cast<std::chrono::seconds>(now).count() - began, 0));
}

std::string time_text(u64 seconds)
{
    const u64 days = seconds / 86400;
    const std::string before = days == 0 ? "" : fmt::format("{} day{}, ", days, days == 1 ? "" : "s");
    return fmt::format("{}{:2}:{:02}:{:02}", before, seconds % 86400 / 3600, seconds % 3600 / 60, seconds % 60);
}

void uptime(const std::vector<std::string>& names, bool as_json)
{
    Session session;
    const std::vector<dom0::DomainInfo> domains = select(session, names);
    std::vector<Row> rows;
    if (!as_json)
        fmt::print("{:<33} {:>4} {}\n", "Name", "ID", "Uptime");
    for (const dom0::DomainInfo& info : domains) {
        const u64 seconds = seconds_up(session, info);
        const std::string name = name_or_null(session, id_of(info));
        if (as_json)
            rows.push_back({{"name", name}, {"domid", u64{info.domain}}, {"uptime_seconds", seconds}});
        else
            fmt::print("{:<32} {:5} {}\n", name, info.domain, time_text(seconds));
    }
    if (as_json)
        fmt::print("{}", to_json(rows));
}

void domname(const std::string& id)
{
    u16 number = 0;
    const char* end = id.data() + id.size();
    const auto [stop, error] = std::from_chars(id.data(), end, number);
    if (error != std::errc() || stop != end)
        fail("'{}' is no domain id; expected a number", id);
    Session session;
    const auto name = find_name(session, DomId(number));
    if (!name)
        fail("there is no domain with id {}", number);
    fmt::print("{}\n", *name);
}

void domid(const std::string& name)
{
    Session session;
    const auto id = find_by_name(session, name);
    if (!id)
        fail("there is no domain '{}'", name);
    fmt::print("{}\n", id->value);
}

}

void add_listing(dom0::Command xl)
{
    auto arguments = std::make_shared<ListArguments>();
    dom0::Command command = xl.add_subcommand("list", "List information about all/some domains");
    command.add_option("domain", arguments->domains, "names or ids; all domains if none");
    command.add_flag("-l,--long,--json", arguments->as_json, "all details, as JSON");
    command.add_flag("-v,--verbose", arguments->verbose, "UUIDs, reasons of shutdown and security labels too");
    command.add_flag("-Z,--context", arguments->context, "security labels too");
    command.add_flag("-c,--cpupool", arguments->cpupool, "CPU pools too");
    command.add_flag("-n,--numa", arguments->numa, "NUMA affinity too");
    command.callback([arguments] { list(*arguments); });

    auto as_json = std::make_shared<bool>(false);
    command = xl.add_subcommand("vm-list", "List guest domains, excluding dom0, stubdoms, etc.");
    add_json_flag(command, *as_json);
    command.callback([as_json] { vm_list(*as_json); });

    command = xl.add_subcommand("claims", "List outstanding claim information about all domains");
    add_json_flag(command, *as_json);
    command.callback([as_json] { claims(*as_json); });

    auto name = std::make_shared<std::string>();
    command = xl.add_subcommand("domid", "Convert a domain name to domain id");
    command.add_option("name", *name, "the domain's name").required();
    command.callback([name] { domid(*name); });

    auto id = std::make_shared<std::string>();
    command = xl.add_subcommand("domname", "Convert a domain id to domain name");
    command.add_option("id", *id, "the domain's id").required();
    command.callback([id] { domname(*id); });

    auto names = std::make_shared<std::vector<std::string>>();
    command = xl.add_subcommand("uptime", "Print uptime for all/some domains");
    command.add_option("domain", *names, "names or ids; all domains if none");
    add_json_flag(command, *as_json);
    command.callback([=] { uptime(*names, *as_json); });
}

}
