// sched-credit, sched-credit2, sched-rtds, cpupool-list: as far as the hypervisor's scheduler and its pools go.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/commands/unserved.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/rows.hpp"
#include "tools/xl/text.hpp"

#include <algorithm>
#include <memory>

namespace xylem::xl::commands {

namespace {

struct SchedArguments {
    abi::SchedulerId scheduler{};
    std::string domain;
    std::string pool;
    std::optional<int> weight;
    std::optional<int> cap;
    std::vector<std::string> of_the_scheduler; ///< -t, -r, -m; of RTDS also -v, -P, -b, -e
    bool scheduler_itself = false;
    bool as_json = false;
};

std::string pool_name(Session& session, u32 pool)
{
    return session.store.find(fmt::format("/local/pool/{}/name", pool)).value_or(fmt::format("Pool-{}", pool));
}

void print_domain(Session& session, const SchedArguments& arguments, const dom0::DomainInfo& info)
{
    const abi::DomctlSchedCredit params = session.hypervisor.sched_params(id_of(info), arguments.scheduler);
    fmt::print("{:<33} {:4} {:6} {:4}\n", name_or_null(session, id_of(info)), info.domain, params.weight, params.cap);
}

Row row_of(Session& session, const SchedArguments& arguments, const dom0::DomainInfo& info)
{
    const abi::DomctlSchedCredit params = session.hypervisor.sched_params(id_of(info), arguments.scheduler);
    return {{"name", name_or_null(session, id_of(info))},
            {"domid", u64{info.domain}},
            {"cpupool", pool_name(session, info.cpupool)},
            {"weight", u64{params.weight}},
            {"cap", u64{params.cap}}};
}

void print_header()
{
    fmt::print("{:<33} {:>4} {:>6} {:>4}\n", "Name", "ID", "Weight", "Cap");
}

void list_all(Session& session, const SchedArguments& arguments)
{
    std::vector<Row> rows;
    for (auto pool = session.hypervisor.cpupool(0); pool; pool = session.hypervisor.cpupool(pool->id + 1)) {
        const std::string name = pool_name(session, pool->id);
        if (pool->scheduler != arguments.scheduler || (!arguments.pool.empty() && arguments.pool != name))
            continue;
        if (!arguments.as_json) {
            fmt::print("Cpupool {}\n", name);
            print_header();
        }
        for (const dom0::DomainInfo& info : session.hypervisor.domains()) {
            if (info.cpupool != pool->id)
                continue;
            if (arguments.as_json)
                rows.push_back(row_of(session, arguments, info));
            else
                print_domain(session, arguments, info);
        }
    }
    if (arguments.as_json)
        fmt::print("{}", to_json(rows));
}

void change(Session& session, const SchedArguments& arguments)
{
    constexpr int most = 65535;
    const dom0::DomainInfo info = resolve(session, arguments.domain);
    if (!arguments.weight && !arguments.cap && arguments.as_json)
        return fmt::print("{}", to_json(std::vector<Row>{row_of(session, arguments, info)}));
    if (!arguments.weight && !arguments.cap) {
        print_header();
        return print_domain(session, arguments, info);
    }
    if (arguments.weight && (*arguments.weight < 1 || *arguments.weight > most))
        fail("'{}' is no weight; expected a number from 1 to {}", *arguments.weight, most);
    if (arguments.cap && (*arguments.cap < 0 || *arguments.cap > most))
        fail("'{}' is no cap; expected a number from 0, for none, in percent of one processor", *arguments.cap);
    abi::DomctlSchedCredit params = session.hypervisor.sched_params(id_of(info), arguments.scheduler);
    params.weight = static_cast<u16>(arguments.weight.value_or(params.weight));
    params.cap = static_cast<u16>(arguments.cap.value_or(params.cap));
    session.hypervisor.set_sched_params(id_of(info), arguments.scheduler, params);
}

void schedule(const SchedArguments& arguments)
{
    Session session;
    const abi::SchedulerId present = session.hypervisor.scheduler();
    if (present != arguments.scheduler)
        fail("the hypervisor's scheduler is {}, not {}; xl sched-{} is its command", name_of(present),
             name_of(arguments.scheduler), name_of(present));
    if (arguments.scheduler_itself || !arguments.of_the_scheduler.empty())
        fail("the parameters of the scheduler itself are not served: Xylem answers -EOPNOTSUPP to them");
    if (arguments.domain.empty() && (arguments.weight || arguments.cap))
        fail("expected the domain whose weight or cap is to change: -d DOMAIN");
    if (!arguments.domain.empty() && !arguments.pool.empty())
        fail("expected either -d DOMAIN or -p POOL");
    arguments.domain.empty() ? list_all(session, arguments) : change(session, arguments);
}

dom0::Command add_schedule(dom0::Command xl, const char* name, const char* description, abi::SchedulerId scheduler,
                           const std::shared_ptr<SchedArguments>& arguments)
{
    arguments->scheduler = scheduler;
    dom0::Command command = xl.add_subcommand(name, description);
    command.add_option("-d,--domain", arguments->domain, "the domain to look at or to change");
    command.add_option("-p,--cpupool", arguments->pool, "only the domains of this pool");
    add_json_flag(command, arguments->as_json);
    command.callback([arguments] { schedule(*arguments); });
    return command;
}

void add_credit(dom0::Command xl, const char* name, const char* description, abi::SchedulerId scheduler)
{
    auto arguments = std::make_shared<SchedArguments>();
    dom0::Command command = add_schedule(xl, name, description, scheduler, arguments);
    command.add_option("-w,--weight", arguments->weight, "its weight against the others', 256 by default");
    command.add_option("-c,--cap", arguments->cap, "the most it may have, in percent of one processor; 0 for no limit");
    command.add_flag("-s,--schedparam", arguments->scheduler_itself, "the scheduler's own parameters");
    command.add_option("-r,--ratelimit_us", arguments->of_the_scheduler, "its rate limit, in microseconds");
    if (scheduler == abi::SchedulerId::credit) {
        command.add_option("-t,--tslice_ms", arguments->of_the_scheduler, "its time slice, in milliseconds");
        command.add_option("-m,--migration_delay_us", arguments->of_the_scheduler,
                           "its delay of migrations, in microseconds");
    }
}

Row row_of(const dom0::Hypervisor::CpuPool& pool, const std::string& name)
{
    return {{"name", name},
            {"pool_id", u64{pool.id}},
            {"scheduler", std::string(name_of(pool.scheduler))},
            {"domains", u64{pool.domains}},
            {"cpus", numbers_of(pool.cpus)}};
}

void print_pool(const dom0::Hypervisor::CpuPool& pool, const std::string& name, bool list_cpus)
{
    const std::vector<u64> cpus = numbers_of(pool.cpus);
    if (list_cpus)
        fmt::print("{:<19}{}\n", name, fmt::join(cpus, ","));
    else
        fmt::print("{:<19}{:3} {:>9}       y       {:4}\n", name, cpus.size(), name_of(pool.scheduler), pool.domains);
}

void list_pools(const std::string& wanted, bool list_cpus, bool as_json)
{
    Session session;
    std::vector<Row> rows;
    if (!as_json)
        fmt::print("{:<19}{}\n", "Name", list_cpus ? "CPU list" : "CPUs   Sched     Active   Domain count");
    bool found = wanted.empty();
    for (auto pool = session.hypervisor.cpupool(0); pool; pool = session.hypervisor.cpupool(pool->id + 1)) {
        const std::string name = pool_name(session, pool->id);
        if (!wanted.empty() && wanted != name)
            continue;
        found = true;
        if (as_json)
            rows.push_back(row_of(*pool, name));
        else
            print_pool(*pool, name, list_cpus);
    }
    if (!found)
        fail("there is no CPU pool '{}'", wanted);
    if (as_json)
        fmt::print("{}", to_json(rows));
}

}

void add_scheduling(dom0::Command xl)
{
    add_credit(xl, "sched-credit", "Get/set credit scheduler parameters", abi::SchedulerId::credit);
    add_credit(xl, "sched-credit2", "Get/set credit2 scheduler parameters", abi::SchedulerId::credit2);
    auto realtime = std::make_shared<SchedArguments>();
    dom0::Command command =
        add_schedule(xl, "sched-rtds", "Get/set rtds scheduler parameters", abi::SchedulerId::rtds, realtime);
    command.add_option("-v,--vcpuid", realtime->of_the_scheduler, "the vCPU, or all");
    command.add_option("-P,--period", realtime->of_the_scheduler, "its period, in microseconds");
    command.add_option("-b,--budget", realtime->of_the_scheduler, "its budget, in microseconds");
    command.add_option("-e,--extratime", realtime->of_the_scheduler, "whether it may have more if there is");

    auto pool = std::make_shared<std::string>();
    auto cpus = std::make_shared<bool>(false);
    command = xl.add_subcommand("cpupool-list", "List CPU pools on host");
    command.add_option("pool", *pool, "the pool; all if none");
    command.add_flag("-c,--cpus", *cpus, "list their processors");
    auto as_json = std::make_shared<bool>(false);
    add_json_flag(command, *as_json);
    command.callback([=] { list_pools(*pool, *cpus, *as_json); });
}

}
