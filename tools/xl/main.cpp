// xl: domains at the command line. See `xl help`.
//
// Exit codes are Debian's: 0 done, 1 failed, 2 the command line is wrong.
#include "dom0/lib/program.hpp"
#include "tools/xl/commands/channel.hpp"
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/commands/monitoring.hpp"
#include "tools/xl/commands/unserved.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"

#include <algorithm>

namespace {

using namespace xylem;
using namespace xylem::xl;

constexpr int failed = 1;
constexpr int misused = 2;

/// Which file of commands/ has which commands. To make a command costs as much as some of them do in all, so that only
/// those of one file are made where it is known by the name.
struct Group {
    void (*add)(dom0::Command xl);
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

void add_commands(dom0::Command xl, const std::string& wanted)
{
    for (const Group& group : groups)
        if (group.names.find(" " + wanted + " ") != std::string_view::npos)
            return group.add(xl);
    for (const Group& group : groups)
        group.add(xl);
}

void add_global_options(dom0::Command xl)
{
    xl.require_subcommand();
    xl.add_early_flag(
        "-v", [] { verbose = true; }, "say what is done");
    // Debian's other global options, which scripts pass: what they ask for is the case already.
    for (const char* flag : {"-f", "-t", "-T"})
        xl.add_flag(flag, "has no effect").repeatable();
}

/// The whole name of the command that `word` begins.
std::string complete(dom0::Command xl, const std::string& word)
{
    std::vector<std::string> found;
    for (std::string& command : xl.subcommands()) {
        if (command == word)
            return word;
        if (command.starts_with(word))
            found.push_back(std::move(command));
    }
    if (found.size() != 1)
        fail("there is no command '{}'; xl help lists them", word);
    return found[0];
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
    dom0::Program xl("Domains at the command line: create, list and end them, and look after their devices.", "xl");
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
    if (command != words.end())
        *command = complete(xl, *command); // it may be cut short
    return xl.parse(words, misused).value_or(0);
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
