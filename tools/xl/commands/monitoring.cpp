// top, metrics, explain: what the machine does, and why something does not.
#include "tools/xl/commands/monitoring.hpp"

#include "tools/xl/commands/commands.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/monitoring/explain.hpp"
#include "tools/xl/monitoring/kept.hpp"
#include "tools/xl/monitoring/metrics.hpp"
#include "tools/xl/monitoring/screen.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

namespace xylem::xl::commands {

namespace {

struct TopArguments {
    View view;
    bool batch = false;
    bool as_json = false;
    unsigned iterations = 0; ///< 0: without end
};

void flush()
{
    if (std::fflush(stdout) != 0)
        fail("cannot write: {}", std::strerror(errno));
}

void print_sample(const TopArguments& arguments, const Sample& now, const Sample* before)
{
    if (arguments.as_json)
        fmt::print("{}\n", to_json(now, before).dump());
    else
        for (const Line& line : domain_lines(now, before, arguments.view))
            fmt::print("{}\n", text_of(line));
    flush();
}

void print_samples(Session& session, const TopArguments& arguments)
{
    std::optional<Sample> before;
    for (unsigned shown = 0;;) {
        Sample now = take_sample(session, StoreDetail::none);
        print_sample(arguments, now, before ? &*before : nullptr);
        before = std::move(now);
        if (++shown == arguments.iterations)
            return;
        std::this_thread::sleep_for(std::chrono::seconds(arguments.view.delay_seconds));
    }
}

void top(const TopArguments& arguments)
{
    Session session;
    if (arguments.batch || arguments.as_json)
        print_samples(session, arguments);
    else
        watch_on_screen(session, arguments.view, arguments.iterations);
}

std::string metrics_of_now()
{
    Session session; // anew each time: xenstored may have been started again in between
    return metrics_of(take_sample(session, StoreDetail::use));
}

void metrics(const std::string& listen)
{
    if (listen.empty()) {
        fmt::print("{}", metrics_of_now());
        return flush();
    }
    const ListenPlace place = parse_listen_place(listen);
    serve_metrics(place, metrics_of_now, [&](u16 port) {
        const bool is_ipv6 = place.address.find(':') != std::string::npos;
        fmt::print(stderr, "xl metrics: serving http://{}{}{}:{}/metrics\n", is_ipv6 ? "[" : "", place.address,
                   is_ipv6 ? "]" : "", port);
    });
}

/// How the domain is, if there is one, and how those of its name before it ended, the latest first.
std::vector<Account> accounts_of(const std::string& name)
{
    Session session;
    std::vector<Account> accounts;
    std::string kept_name = name;
    try {
        accounts.push_back(tell_of(session, resolve(session, name)));
        kept_name = accounts[0].name;
    } catch (const Failure&) {
        // There is none of that name now.
    }
    std::vector<Account> kept = kept_of(kept_folder, kept_name);
    accounts.insert(accounts.end(), kept.rbegin(), kept.rend());
    if (accounts.empty())
        fail("there is no domain '{}', and no account of one is kept in {}", name, kept_folder);
    return accounts;
}

void explain_domain(const std::string& name, bool as_json)
{
    const std::vector<Account> accounts = accounts_of(name);
    if (as_json) {
        Json all = Json::array();
        for (const Account& account : accounts)
            all.push_back(to_json(account));
        fmt::print("{}\n", pretty(all));
        return;
    }
    fmt::print("{}", text_of(accounts[0]));
    if (accounts.size() > 1)
        fmt::print("\nBefore that, the latest first:\n");
    for (std::size_t i = 1; i < accounts.size(); ++i)
        fmt::print("  {}  id {} {}{}{}\n", accounts[i].time, accounts[i].domain, accounts[i].verdict,
                   accounts[i].followed.empty() ? "" : "; then ", accounts[i].followed);
}

void add_top(dom0::Command xl)
{
    auto arguments = std::make_shared<TopArguments>();
    dom0::Command command = xl.add_subcommand("top", "Monitor a host and the domains in real time");
    View& view = arguments->view;
    command.add_option("-d,--delay", view.delay_seconds, "seconds between updates (3)").between(1, 86400);
    command.add_flag("-n,--networks", view.interfaces, "counters of each interface too");
    command.add_flag("-x,--vbds", view.disks, "counters of each disk too");
    command.add_flag("-r,--repeat-header", view.repeat_header, "the table's header before each domain");
    command.add_flag("-v,--vcpus", view.vcpus, "the time of each vCPU too");
    command.add_flag("-b,--batch", arguments->batch, "lines in place of a screen; reads no keys");
    command.add_flag("--json", arguments->as_json, "as --batch, one line of JSON an update");
    command.add_option("-i,--iterations", arguments->iterations, "end after so many updates");
    command.add_flag("-f,--full-name", view.full_names, "names in full");
    command.add_flag("-z,--dom0-first", view.dom0_first, "domain 0 first, however the others are sorted");
    command.callback([arguments] { top(*arguments); });
}

}

void add_monitoring(dom0::Command xl)
{
    add_top(xl);

    auto listen = std::make_shared<std::string>();
    dom0::Command command = xl.add_subcommand("metrics", "Print what domains use, in OpenMetrics' text format");
    command.add_option("--listen", *listen,
                       "[ADDRESS:]PORT: serve it to Prometheus by HTTP, on loopback if no address");
    command.callback([listen] { metrics(*listen); });

    auto name = std::make_shared<std::string>();
    auto as_json = std::make_shared<bool>(false);
    command = add_domain_command(xl, "explain", "Tell why a domain ended, or what it and its devices wait for", *name);
    command.add_flag("--json", *as_json, "as JSON, the earlier ends of that name too");
    command.callback([=] { explain_domain(*name, *as_json); });
}

}
