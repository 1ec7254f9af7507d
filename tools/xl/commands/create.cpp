// create, config-update: a domain from a configuration file, and another configuration for one that runs.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/console.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/monitor.hpp"
#include "tools/xl/record.hpp"

#include <memory>
#include <nlohmann/json.hpp>

namespace xylem::xl::commands {

namespace {

/// A configuration file, then settings as in it.
struct Source {
    std::vector<std::string> words;
    std::string file;
    bool quiet = false;
    bool debug = false;
};

struct CreateArguments {
    Source source;
    bool console = false;
    bool paused = false;
    bool dry_run = false;
    bool no_monitor = false;
    bool foreground = false;
    bool ignore_masks = false;
    bool viewer = false;
};

/// The file's text with the settings below it, and what to call it in errors.
struct Text {
    std::string name;
    std::string text;
    config::Settings settings;
};

Text read_source(Source source)
{
    if (source.file.empty() && !source.words.empty() && source.words[0].find('=') == std::string::npos) {
        source.file = source.words[0];
        source.words.erase(source.words.begin());
    }
    if (source.file.empty())
        fail("expected a configuration file");
    if (!source.quiet)
        fmt::print(stderr, "Parsing config from {}\n", source.file);
    Text text{source.file, read_file(source.file), {}};
    config::parse(text.text, text.name, text.settings);
    for (const std::string& word : source.words) {
        config::parse(word, "command line", text.settings);
        text.text += "\n" + word;
    }
    return text;
}

config::DomainConfig read_config(const Source& source)
{
    const Text text = read_source(source);
    config::DomainConfig config =
        config::read_domain_config(text.settings, text.name, this_machine(), xl_conf().defaults);
    config.source = text.text;
    return config;
}

/// All that the configuration says, whether it can be had here or not.
void print_description(const Source& source)
{
    const Text text = read_source(source);
    config::Complaints complaints;
    Json json = config::describe(text.settings, text.name, this_machine(), xl_conf().defaults, complaints);
    for (const std::string& complaint : complaints)
        fmt::print(stderr, "xl: {}\n", complaint);
    for (const std::string& refusal : config::unserved_options(text.settings))
        fmt::print(stderr, "xl: {}\n", refusal);
    Json& uuid = json["c_info"]["uuid"];
    if (uuid.is_null())
        uuid = new_uuid();
    fmt::print("{}", pretty(json));
}

/// Where xl.conf has guests run at most, a configuration's lists are cut down to that.
void apply_masks(config::DomainConfig& config)
{
    const config::XlConf& conf = xl_conf();
    for (const auto& mask : {conf.vm_cpumask, conf.pv_cpumask})
        if (mask && config.cpus.empty())
            config.cpus = {*mask};
}

/// A new domain whose `step` fails goes again, with the monitor that may wait for its end.
template <typename Step> void or_destroy(Session& session, DomId domain, Step step)
{
    try {
        step();
    } catch (const std::exception&) {
        destroy_domain(session, domain);
        throw;
    }
}

DomId create_alone(Session& session, const config::DomainConfig& config)
{
    const CreationLock lock;
    return create_domain(session, config);
}

/// What follows on the creation: it is started, looked at and watched over as the command line wants. Does not return
/// where the last step leaves this process to the monitor.
void go_on(Session& session, DomId domain, const config::DomainConfig& config, const CreateArguments& arguments,
           dom0::Fd log)
{
    const auto start = [&] {
        if (arguments.paused)
            return;
        explain("starting domain {}", domain.value);
        session.hypervisor.unpause(domain);
    };
    if (arguments.console) {
        or_destroy(session, domain, [&] {
            if (log)
                start_monitor(domain, config, std::move(log));
        });
        attach_console(session, domain, 0, [&] { or_destroy(session, domain, start); });
    } else {
        or_destroy(session, domain, [&] {
            start();
            if (log)
                leave_to_monitor(session, domain, config, std::move(log));
        });
    }
    if (arguments.foreground)
        monitor(session, domain, config);
}

void create(const CreateArguments& arguments)
{
    if (arguments.viewer)
        fail("there is no VNC viewer to start: guests have no framebuffer here");
    if (arguments.dry_run)
        return print_description(arguments.source);
    config::DomainConfig config = read_config(arguments.source);
    if (config.uuid.empty())
        config.uuid = new_uuid();
    if (!arguments.ignore_masks)
        apply_masks(config);
    if (arguments.source.debug && !arguments.source.quiet)
        fmt::print(stderr, "{}", pretty(to_json(config)));
    const bool detached = !arguments.no_monitor && !arguments.foreground;
    dom0::Fd log = detached ? open_monitor_log(config.name) : dom0::Fd();
    Session session;
    try {
        const DomId domain = create_alone(session, config);
        go_on(session, domain, config, arguments, std::move(log));
    } catch (const std::exception&) {
        if (detached)
            drop_empty_log(config.name);
        throw;
    }
}

/// The next start of the domain, by a reboot or a crash, is by the new configuration.
void config_update(const std::string& name, const Source& source)
{
    Session session;
    const dom0::DomainInfo info = resolve_guest(session, name, "change the configuration of");
    const config::DomainConfig config = read_config(source);
    if (source.debug)
        fmt::print("{}", pretty(to_json(config)));
    fmt::print(stderr, "setting dom{} configuration\n", info.domain);
    save_source(id_of(info), uuid_text(info.handle), config.source);
}

void add_source(dom0::Command command, Source& source)
{
    command.add_option("configfile", source.words,
                       "the configuration file, then settings that replace its own: key=value");
    command.add_option("-f,--defconfig", source.file, "use the given configuration file");
    command.add_flag("-d", source.debug, "print the resulting configuration too");
}

}

void add_create(dom0::Command xl)
{
    auto arguments = std::make_shared<CreateArguments>();
    dom0::Command command = xl.add_subcommand("create", "Create a domain from config file <filename>");
    add_source(command, arguments->source);
    command.add_flag("-c", arguments->console, "connect to the console after the domain is created");
    command.add_flag("-p", arguments->paused, "leave the domain paused after it is created");
    command.add_flag("-n,--dryrun", arguments->dry_run, "print the resulting configuration and create nothing");
    command.add_flag("-q,--quiet", arguments->source.quiet, "say less");
    command.add_flag("-e", arguments->no_monitor, "do not wait in the background for the death of the domain");
    command.add_flag("-F", arguments->foreground, "stay in the foreground until the death of the domain");
    command.add_flag("-i,--ignore-global-affinity-masks", arguments->ignore_masks,
                     "let it run where xl.conf would not");
    command.add_flag("-V,--vncviewer,-A,--vncviewer-autopass", arguments->viewer,
                     "not served: guests have no framebuffer");
    command.callback([arguments] { create(*arguments); });

    auto name = std::make_shared<std::string>();
    auto source = std::make_shared<Source>();
    source->quiet = true;
    command = add_domain_command(xl, "config-update",
                                 "Update a running domain's saved configuration, used when "
                                 "rebuilding the domain after reboot",
                                 *name);
    add_source(command, *source);
    command.callback([=] { config_update(*name, *source); });
}

}
