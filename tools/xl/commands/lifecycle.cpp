// destroy, pause, unpause, shutdown, reboot, console, rename.
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/console.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/monitoring/explain.hpp"
#include "tools/xl/paths.hpp"

#include <chrono>
#include <memory>

namespace xylem::xl::commands {

namespace {

struct StopArguments {
    std::string domain;
    bool all = false;
    bool wait = false;
    bool force = false;
};

void destroy(const std::string& name)
{
    Session session;
    const DomId domain = id_of(resolve_guest(session, name, "destroy"));
    if (const std::string error = keep_account(session, domain, "destroyed by xl destroy"); !error.empty())
        explain("no account of domain {} is kept: {}", domain.value, error);
    destroy_domain(session, domain);
}

void pause(const std::string& name)
{
    Session session;
    session.hypervisor.pause(id_of(resolve_guest(session, name, "pause")));
}

void unpause(const std::string& name)
{
    Session session;
    const dom0::DomainInfo info = resolve_guest(session, name, "unpause");
    if (!(info.flags & abi::dominf_paused))
        fail("domain '{}' is not paused", name);
    session.hypervisor.unpause(id_of(info));
}

bool has_ended(Session& session, DomId domain)
{
    const auto info = session.hypervisor.domain(domain);
    return !info || (info->flags & (abi::dominf_dying | abi::dominf_shutdown));
}

void wait_for_ends(Session& session, const std::vector<DomId>& domains)
{
    session.store.watch("@releaseDomain", "end");
    for (DomId domain : domains) {
        while (!has_ended(session, domain))
            session.store.wait_for_event(std::chrono::seconds(10));
        fmt::print(stderr, "Domain {} has been shut down\n", domain.value);
    }
}

/// Asks the guests to do it themselves, by the store's node that they watch.
void stop(const StopArguments& arguments, const char* request, const char* said)
{
    if (arguments.all == !arguments.domain.empty())
        fail("expected either a domain or -a");
    Session session;
    std::vector<DomId> domains;
    if (!arguments.all)
        domains.push_back(id_of(resolve_guest(session, arguments.domain, "stop")));
    else
        for (const dom0::DomainInfo& info : session.hypervisor.domains())
            if (info.domain != 0)
                domains.push_back(id_of(info));
    for (DomId domain : domains) {
        fmt::print(stderr, "{} domain {}\n", said, domain.value);
        session.store.write(domain_path(domain) + "/control/shutdown", request);
    }
    if (arguments.wait)
        wait_for_ends(session, domains);
}

void console(const std::string& name, unsigned number)
{
    Session session;
    attach_console(session, id_of(resolve_guest(session, name, "open a console of")), number);
}

void rename(const std::string& name, const std::string& new_name)
{
    if (!config::is_domain_name(new_name))
        fail("'{}' cannot be a domain's name; expected {}", new_name, config::domain_name_rule);
    const CreationLock lock;
    Session session;
    const DomId domain = id_of(resolve_guest(session, name, "rename"));
    if (const auto other = find_by_name(session, new_name))
        fail("there is a domain '{}' already, with id {}", new_name, other->value);
    session.store.transact([&](xenstore::StoreView& store) {
        store.write(domain_path(domain) + "/name", new_name);
        if (const auto vm = store.find(domain_path(domain) + "/vm"))
            store.write(*vm + "/name", new_name);
    });
}

void add_stop(dom0::Command xl, const char* name, const char* description, const char* request, const char* said)
{
    auto arguments = std::make_shared<StopArguments>();
    dom0::Command command = xl.add_subcommand(name, description);
    command.add_option("domain", arguments->domain, "name or id");
    command.add_flag("-a,--all", arguments->all, "all guests");
    command.add_flag("-w,--wait", arguments->wait, "wait until they have ended");
    command.add_flag("-F", arguments->force, "for HVM guests; a PV guest always listens to the store");
    command.callback([=] { stop(*arguments, request, said); });
}

}

dom0::Command add_domain_command(dom0::Command xl, const char* name, const char* description, std::string& domain)
{
    dom0::Command command = xl.add_subcommand(name, description);
    command.add_option("domain", domain, "name or id").required();
    return command;
}

void add_lifecycle(dom0::Command xl)
{
    struct Simple {
        const char* name;
        const char* description;
        void (*act)(const std::string& domain);
    };
    static constexpr Simple simple[] = {
        {"pause", "Pause execution of a domain", pause},
        {"unpause", "Unpause a paused domain", unpause},
    };
    for (const Simple& entry : simple) {
        auto domain = std::make_shared<std::string>();
        add_domain_command(xl, entry.name, entry.description, *domain).callback([=] { entry.act(*domain); });
    }
    auto doomed = std::make_shared<std::string>();
    dom0::Command command = add_domain_command(xl, "destroy", "Terminate a domain immediately", *doomed);
    command.add_flag("-f", "for domain 0, which is never destroyed from within");
    command.callback([doomed] { destroy(*doomed); });

    add_stop(xl, "shutdown", "Issue a shutdown signal to a domain", "poweroff", "Shutting down");
    add_stop(xl, "reboot", "Issue a reboot signal to a domain", "reboot", "Rebooting");

    auto spoken_to = std::make_shared<std::string>();
    auto kind = std::make_shared<std::string>();
    auto number = std::make_shared<unsigned>(0);
    command = add_domain_command(xl, "console", "Attach to domain's console", *spoken_to);
    command.add_option("-t", *kind, "the console's type: pv").one_of({"pv"});
    command.add_option("-n", *number, "the console's number: 0, or that of a channel on a pty, from 1 on")
        .between(0, config::most_channels);
    command.callback([=] { console(*spoken_to, *number); });

    auto names = std::make_shared<std::pair<std::string, std::string>>();
    command = add_domain_command(xl, "rename", "Rename a domain", names->first);
    command.add_option("new-name", names->second, "what to call it").required();
    command.callback([names] { rename(names->first, names->second); });
}

}
