// xl: domains at the command line. See `xl help`.
//
// Exit codes are Debian's: 0 done, 1 failed, 2 the command line is wrong.
#include "tools/xl/commands/channel.hpp"
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/commands/monitoring.hpp"
#include "tools/xl/commands/unserved.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"

#include <algorithm>

namespace {

using namespace xylem::xl;

constexpr int failed = 1;
constexpr int misused = 2;

/// Which file of commands/ has which commands. To make a command costs as much as some of them do in all, so that only
/// those of one file are made where it is known by the name.
struct Group {
    void (*add)(CLI::App& xl);
    std::string_view names; ///< between spaces
};
constexpr Group groups[] = {
    {commands::add_create, " create config-update "},
    {commands::add_listing, " list vm-list claims domid domname uptime "},
    {commands::add_lifecycle, " destroy pause unpause shutdown reboot console rename "},
    {commands::add_host, " info dmesg debug-keys set-parameters audit "},
    {commands::add_vcpu, " vcpu-list vcpu-set vcpu-pin "},
    {commands::add_memory, " mem-set mem-max "},
    {commands::add_signals, " sysrq trigger "},
    {commands::add_core, " dump-core "},
    {commands::add_block, " block-attach block-detach block-list cd-insert cd-eject "},
    {commands::add_network, " network-attach network-detach network-list "},
    {commands::add_channel, " channel-list "},
    {commands::add_scheduling, " sched-credit sched-credit2 sched-rtds cpupool-list "},
    {commands::add_monitoring, " top metrics explain "},
    {commands::add_devd, " devd "},
    {commands::add_unserved, ""},
};

void add_commands(CLI::App& xl, const std::string& wanted)
{
    for (const Group& group : groups)
        if (group.names.find(" " + wanted + " ") != std::string_view::npos)
            return group.add(xl);
    for (const Group& group : groups)
        group.add(xl);
}

void add_global_options(CLI::App& xl)
{
    xl.require_subcommand(1);
    xl.add_flag_callback(
          "-v", [] { verbose = true; }, "say what is done")
        ->trigger_on_parse();
    // Debian's other global options, which scripts pass: what they ask for is the case already.
    for (const char* flag : {"-f", "-t", "-T"})
        xl.add_flag(flag)->description("has no effect")->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
}

/// The whole name of the command that `word` begins, if it begins one alone.
std::string complete(const CLI::App& xl, const std::string& word)
{
    std::vector<std::string> found;
    for (const CLI::App* command : xl.get_subcommands({})) {
        if (command->get_name() == word)
            return word;
        if (command->get_name().starts_with(word))
            found.push_back(command->get_name());
    }
    return found.size() == 1 ? found[0] : word;
}

void check_command(const CLI::App& xl, const std::string& word)
{
    const auto known = xl.get_subcommands([&](const CLI::App* command) { return command->get_name() == word; });
    if (known.empty())
        fail("there is no command '{}'; xl help lists them", word);
}

auto first_command(std::vector<std::string>& words)
{
    return std::find_if(words.begin(), words.end(), [](const std::string& word) { return word[0] != '-'; });
}

/// "help" and "help CMD" are "--help" and "CMD --help".
void turn_help_around(std::vector<std::string>& words)
{
    if (const auto command = first_command(words); command != words.end() && *command == "help") {
        words.erase(command);
        words.push_back("--help");
    }
}

int run(int count, char** arguments)
{
    CLI::App xl("Domains at the command line: create, list and end them, and look after their devices.", "xl");
    std::vector<std::string> words(arguments + 1, arguments + count);
    std::erase(words, std::string());
    turn_help_around(words);
    const auto command = first_command(words);
    add_global_options(xl);
    add_commands(xl, command == words.end() ? "" : *command);
    if (words.empty()) {
        fmt::print("{}", xl.help());
        return failed;
    }
    if (command != words.end()) { // it may be cut short
        *command = complete(xl, *command);
        check_command(xl, *command);
    }
    try {
        std::reverse(words.begin(), words.end()); // as CLI11 wants them
        xl.parse(words);
        return 0;
    } catch (const CLI::ParseError& error) {
        return xl.exit(error) == 0 ? 0 : misused;
    }
}

}

int main(int count, char** arguments)
{
    try {
        return run(count, arguments);
    } catch (const std::exception& error) {
        fmt::print(stderr, "xl: {}\n", error.what());
        return failed;
    }
}
