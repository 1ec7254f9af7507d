// See program.hpp.
#include "dom0/lib/program.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>

namespace xylem::dom0 {

Argument Argument::required()
{
    option_->required();
    return *this;
}

Argument Argument::one_of(std::vector<std::string> words)
{
    option_->check(CLI::IsMember(std::move(words)));
    return *this;
}

Argument Argument::between(unsigned least, unsigned most)
{
    option_->check(CLI::Range(least, most));
    return *this;
}

Argument Argument::size()
{
    option_->transform(CLI::AsSizeValue(false));
    return *this;
}

Argument Argument::shows_default()
{
    option_->capture_default_str();
    return *this;
}

Argument Argument::repeatable()
{
    option_->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    return *this;
}

Command Command::add_subcommand(const std::string& name, const std::string& description)
{
    return Command(*app_->add_subcommand(name, description));
}

template <typename T> Argument Command::add_option(const std::string& names, T& to, const std::string& description)
{
    return Argument(*app_->add_option(names, to, description));
}
template Argument Command::add_option(const std::string&, std::string&, const std::string&);
template Argument Command::add_option(const std::string&, std::vector<std::string>&, const std::string&);
template Argument Command::add_option(const std::string&, unsigned&, const std::string&);
template Argument Command::add_option(const std::string&, std::size_t&, const std::string&);
template Argument Command::add_option(const std::string&, std::optional<int>&, const std::string&);

Argument Command::add_flag(const std::string& names, bool& to, const std::string& description)
{
    return Argument(*app_->add_flag(names, to, description));
}

Argument Command::add_flag(const std::string& names, const std::string& description)
{
    return Argument(*app_->add_flag(names)->description(description));
}

void Command::add_early_flag(const std::string& name, const std::function<void()>& effect,
                             const std::string& description)
{
    app_->add_flag_callback(name, effect, description)->trigger_on_parse();
}

void Command::allow_extras()
{
    app_->allow_extras();
}

void Command::require_subcommand()
{
    app_->require_subcommand(1);
}

void Command::callback(std::function<void()> act)
{
    app_->callback(std::move(act));
}

std::vector<std::string> Command::subcommands() const
{
    std::vector<std::string> names;
    for (const CLI::App* command : static_cast<const CLI::App*>(app_)->get_subcommands({}))
        names.push_back(command->get_name());
    return names;
}

std::string Command::help() const
{
    return app_->help();
}

Program::Program(const std::string& about, const std::string& name) : Command(*new CLI::App(about, name)), owned_(app_)
{
}

Program::~Program() = default;

std::optional<int> Program::parse(std::vector<std::string> words, int misused)
{
    try {
        std::ranges::reverse(words); // as CLI11 wants them
        app_->parse(words);
        return std::nullopt;
    } catch (const CLI::ParseError& error) {
        return app_->exit(error) == 0 ? 0 : misused;
    }
}

}
