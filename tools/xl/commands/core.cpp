// dump-core.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/core_dump.hpp"
#include "tools/xl/domains.hpp"

#include <memory>

namespace xylem::xl::commands {

void add_core(dom0::Command xl)
{
    auto arguments = std::make_shared<std::pair<std::string, std::string>>();
    dom0::Command command = add_domain_command(xl, "dump-core", "Core dump a domain", arguments->first);
    command.add_option("file", arguments->second, "what to write, in Xen's dump-core format").required();
    command.callback([arguments] {
        Session session;
        const DomId domain = id_of(resolve_guest(session, arguments->first, "dump the core of"));
        dump_core(session, domain, arguments->second);
    });
}

}
