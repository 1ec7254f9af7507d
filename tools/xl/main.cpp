// xl: domains at the command line. See `xl help`.
//
// Exit codes are Debian's: 0 done, 1 failed, 2 the command line is wrong.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/commands/monitoring.hpp"
#include "tools/xl/commands/unserved.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"

#include <algorithm>
#include <iostream>

namespace {

using namespace xylem::xl;

constexpr int failed = 1;
constexpr int misused = 2;

void add_commands(CLI::App& xl)
{
    xl.require_subcommand(1);
    for (auto add : {commands::add_create, commands::add_listing, commands::add_lifecycle, commands::add_host,
                     commands::add_vcpu, commands::add_memory, commands::add_signals, commands::add_block,
                     commands::add_network, commands::add_scheduling, commands::add_monitoring, commands::add_unserved})
        add(xl);
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

/// "help" and "help CMD" are "--help" and "CMD --help"; a command may be cut short.
std::vector<std::string> arranged(const CLI::App& xl, std::vector<std::string> words)
{
    const auto command =
        std::find_if(words.begin(), words.end(), [](const std::string& word) { return word[0] != '-'; });
    if (command == words.end())
        return words;
    if (*command == "help") {
        words.erase(command);
        words.push_back("--help");
        return arranged(xl, words);
    }
    *command = complete(xl, *command);
    check_command(xl, *command);
    return words;
}

int run(int count, char** arguments)
{
    CLI::App xl("Domains at the command line: create, list and end them, and look after their devices.", "xl");
    add_commands(xl);
    std::vector<std::string> words(arguments + 1, arguments + count);
    std::erase(words, std::string());
    try {
        if (words.empty()) {
            std::cout << xl.help();
            return failed;
        }
        words = arranged(xl, std::move(words));
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
        std::cerr << fmt::format("xl: {}\n", error.what()); // in one piece, beside others' words
        return failed;
    }
}
