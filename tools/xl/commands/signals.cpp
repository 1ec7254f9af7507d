// sysrq, trigger: what reaches into a running guest.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/paths.hpp"

#include <map>
#include <memory>

namespace xylem::xl::commands {

namespace {

void sysrq(const std::string& name, const std::string& letter)
{
    if (letter.size() != 1)
        fail("'{}' is no sysrq; expected one letter", letter);
    Session session;
    session.store.write(domain_path(id_of(resolve_guest(session, name, "send a sysrq to"))) + "/control/sysrq", letter);
}

struct TriggerArguments {
    std::string domain;
    std::string trigger;
    u32 vcpu = 0;
};

void trigger(const TriggerArguments& arguments)
{
    static const std::map<std::string_view, abi::TriggerType> triggers{
        {"nmi", abi::TriggerType::nmi},     {"reset", abi::TriggerType::reset}, {"init", abi::TriggerType::init},
        {"power", abi::TriggerType::power}, {"sleep", abi::TriggerType::sleep},
    };
    const auto found = triggers.find(arguments.trigger);
    if (found == triggers.end())
        fail("there is no trigger '{}'; expected nmi, reset, init, power or sleep", arguments.trigger);
    if (found->second != abi::TriggerType::nmi)
        fail("the trigger '{}' is for HVM guests; a PV guest takes nmi", arguments.trigger);
    Session session;
    session.hypervisor.send_trigger(id_of(resolve_guest(session, arguments.domain, "trigger")), found->second,
                                    arguments.vcpu);
}

}

void add_signals(dom0::Command xl)
{
    auto key = std::make_shared<std::pair<std::string, std::string>>();
    dom0::Command command = add_domain_command(xl, "sysrq", "Send a sysrq to a domain", key->first);
    command.add_option("letter", key->second, "as Linux's magic SysRq key takes it").required();
    command.callback([key] { sysrq(key->first, key->second); });

    auto arguments = std::make_shared<TriggerArguments>();
    command = add_domain_command(xl, "trigger", "Send a trigger to a domain", arguments->domain);
    command.add_option("trigger", arguments->trigger, "nmi").required();
    command.add_option("vcpu", arguments->vcpu, "which vCPU; 0 if not given");
    command.callback([arguments] { trigger(*arguments); });
}

}
