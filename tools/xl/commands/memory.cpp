// mem-set, mem-max: how much memory a guest should have, and may.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/paths.hpp"
#include "tools/xl/text.hpp"

#include <memory>

namespace xylem::xl::commands {

namespace {

constexpr u64 slack_kib = 1024; // beyond its memory, as at creation

void mem_set(const std::string& name, const std::string& amount)
{
    const u64 kib = parse_kib(amount);
    Session session;
    const DomId domain = id_of(resolve(session, name));
    const auto most = session.store.find(domain_path(domain) + "/memory/static-max");
    if (most && kib > std::strtoull(most->c_str(), nullptr, 10))
        fail("domain '{}' may have at most {} KiB (maxmem, or mem-max), not {} KiB", name, *most, kib);
    session.hypervisor.set_max_memory(domain, kib + slack_kib);
    session.store.write(domain_path(domain) + "/memory/target", std::to_string(kib));
}

void mem_max(const std::string& name, const std::string& amount)
{
    const u64 kib = parse_kib(amount);
    Session session;
    const DomId domain = id_of(resolve(session, name));
    const auto target = session.store.find(domain_path(domain) + "/memory/target");
    if (target && kib < std::strtoull(target->c_str(), nullptr, 10))
        fail("domain '{}' is to have {} KiB (mem-set); its maximum cannot be less", name, *target);
    session.store.write(domain_path(domain) + "/memory/static-max", std::to_string(kib));
    session.hypervisor.set_max_memory(domain, kib + slack_kib);
}

void add(dom0::Command xl, const char* name, const char* description,
         void (*act)(const std::string&, const std::string&))
{
    auto arguments = std::make_shared<std::pair<std::string, std::string>>();
    dom0::Command command = add_domain_command(xl, name, description, arguments->first);
    command.add_option("mem", arguments->second, "in MiB, or with a unit: b, k, m, g or t").required();
    command.callback([=] { act(arguments->first, arguments->second); });
}

}

void add_memory(dom0::Command xl)
{
    add(xl, "mem-set", "Set the current memory usage for a domain", mem_set);
    add(xl, "mem-max", "Set the maximum amount reservation for a domain", mem_max);
}

}
