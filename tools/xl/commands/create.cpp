// create: a domain from a configuration file.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/console.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/lifecycle.hpp"
#include "tools/xl/monitor.hpp"
#include "tools/xl/record.hpp"

#include "tools/xl/domains.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

namespace xylem::xl::commands {

namespace {

struct CreateArguments {
    std::vector<std::string> words; ///< the configuration file, and settings as in it
    std::string file;
    bool console = false;
    bool paused = false;
    bool dry_run = false;
    bool quiet = false;
    bool no_monitor = false;
    bool foreground = false;
};

std::string read_file(const std::string& path)
{
    if (std::filesystem::is_directory(path))
        fail("cannot read the configuration '{}': it is a directory", path);
    std::ifstream file(path, std::ios::binary);
    if (!file)
        fail("cannot read the configuration '{}': {}", path, std::strerror(errno));
    std::ostringstream text;
    text << file.rdbuf();
    if (file.bad())
        fail("cannot read the configuration '{}'", path);
    return text.str();
}

config::DomainConfig read_config(CreateArguments arguments)
{
    if (arguments.file.empty() && !arguments.words.empty() && arguments.words[0].find('=') == std::string::npos) {
        arguments.file = arguments.words[0];
        arguments.words.erase(arguments.words.begin());
    }
    if (arguments.file.empty())
        fail("expected a configuration file");
    if (!arguments.quiet)
        fmt::print(stderr, "Parsing config from {}\n", arguments.file);
    config::Settings settings;
    config::parse(read_file(arguments.file), arguments.file, settings);
    for (const std::string& word : arguments.words)
        config::parse(word, "command line", settings);
    return config::read_domain_config(settings, arguments.file);
}

void create(const CreateArguments& arguments)
{
    config::DomainConfig config = read_config(arguments);
    if (config.uuid.empty())
        config.uuid = new_uuid();
    if (arguments.dry_run) {
        fmt::print("{}", pretty(to_json(config)));
        return;
    }
    const bool detached = !arguments.no_monitor && !arguments.foreground;
    dom0::Fd log = detached ? open_monitor_log(config.name) : dom0::Fd();
    Session session;
    DomId domain;
    {
        const CreationLock lock;
        domain = create_domain(session, config);
    }
    if (detached)
        start_monitor(domain, config, std::move(log));
    const auto start = [&] {
        if (!arguments.paused)
            session.hypervisor.unpause(domain);
    };
    if (arguments.console)
        attach_console(session, domain, start);
    else
        start();
    if (arguments.foreground)
        monitor(domain, config);
}

}

void add_create(CLI::App& xl)
{
    auto arguments = std::make_shared<CreateArguments>();
    CLI::App* command = xl.add_subcommand("create", "Create a domain from config file <filename>");
    command->add_option("configfile", arguments->words,
                        "the configuration file, then settings that replace its own: key=value");
    command->add_option("-f,--defconfig", arguments->file, "use the given configuration file");
    command->add_flag("-c", arguments->console, "connect to the console after the domain is created");
    command->add_flag("-p", arguments->paused, "leave the domain paused after it is created");
    command->add_flag("-n,--dryrun", arguments->dry_run, "print the resulting configuration and create nothing");
    command->add_flag("-q,--quiet", arguments->quiet, "say less");
    command->add_flag("-e", arguments->no_monitor, "do not wait in the background for the death of the domain");
    command->add_flag("-F", arguments->foreground, "stay in the foreground until the death of the domain");
    command->callback([arguments] { create(*arguments); });
}

}
