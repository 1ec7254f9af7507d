// See options.hpp.
#include "xenstore/daemon/options.hpp"

#include "xenstore/store/message.hpp"

#include <CLI/CLI.hpp>

namespace xylem::xenstore {

namespace {

std::string known_quotas()
{
    std::string names;
    for (const LimitName& limit : limit_names)
        names += (names.empty() ? "" : ", ") + std::string(limit.name);
    return names;
}

/// "name=number"
void set_quota(Limits& limits, const std::string& assignment)
{
    const std::size_t equals = assignment.find('=');
    const std::string name = assignment.substr(0, equals);
    for (const LimitName& limit : limit_names) {
        if (limit.name != name)
            continue;
        Result<u32> value = parse_number<u32>(equals == std::string::npos ? "" : assignment.substr(equals + 1));
        if (!value.ok())
            throw CLI::ValidationError("--quota " + assignment, "give a number, as in " + name + "=100");
        limits.*limit.field = value.take();
        return;
    }
    throw CLI::ValidationError("--quota " + assignment, "no such quota; there are " + known_quotas());
}

}

ParsedOptions parse_options(int argc, char** argv)
{
    Options options;
    options.arguments.assign(argv + 1, argv + argc);
    Limits& limits = options.limits;
    CLI::App app("xenstored: keeps the store through which the domains of a Xen host find each other.\n"
                 "The socket is $XENSTORED_PATH, else $XENSTORED_RUNDIR/socket, else /run/xenstored/socket.");
    app.set_help_flag("-h,-H,--help", "print this and exit");
    app.add_flag("-N,--no-fork", options.in_foreground, "stay in the foreground");
    app.add_flag("!-D,!--no-domain-init,!--no-domains", options.has_domains,
                 "serve the socket alone: for hosts without a hypervisor");
    app.add_flag("--init-dom0", options.writes_dom0_nodes, "write dom0's own nodes, as xen-init-dom0 does");
    app.add_option("-F,--pid-file", options.pid_file, "write the daemon's process id to this file");
    app.add_flag("-P,--output-pid", options.prints_pid, "print the daemon's process id");
    app.add_option("-T,--trace-file,--log-file", options.log_file, "log to this file instead of standard error");
    app.add_flag("-V,--verbose", options.is_verbose, "log each request");
    app.add_option("-E,--entry-nb", limits.nodes, "nodes a domain may own");
    app.add_option("-S,--entry-size", limits.node_bytes, "bytes a node may have");
    app.add_option("-W,--watch-nb", limits.watches, "watches a domain may have");
    app.add_option("-t,--transaction", limits.transactions, "transactions a domain may have open");
    app.add_option("-A,--perm-nb", limits.permissions, "entries a node's permissions may have");
    app.add_option("-M,--path-max", limits.path_bytes, "bytes a path may have")
        ->check(CLI::Range(1U, abi::io::xenstore_rel_path_max));
    app.add_option_function<std::vector<std::string>>(
           "-Q,--quota",
           [&](const std::vector<std::string>& assignments) {
               for (const std::string& assignment : assignments)
                   set_quota(limits, assignment);
           },
           "set a quota, as in nodes=500; there are " + known_quotas())
        ->expected(1)
        ->take_all();
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return {std::nullopt, app.exit(error)};
    }
    return {options, 0};
}

}
