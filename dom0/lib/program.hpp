// What a program takes on its command line, parsed by CLI11.
//
// CLI11 is one header with all its code, and what the compiler makes of it costs more than most of our files do
// without it. So program.cpp includes it for all, and the others this.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}

namespace xylem::dom0 {

/// An option, a flag or a positional argument that has just been added; its command owns it.
class Argument {
public:
    explicit Argument(CLI::Option& option) : option_(&option) {}

    Argument required();
    Argument one_of(std::vector<std::string> words);
    /// Both ends are permitted.
    Argument between(unsigned least, unsigned most);
    /// Bytes, which may have a unit: 4096, 64k, 2M.
    Argument size();
    /// The help tells its value of now.
    Argument shows_default();
    /// It may be given again: the last one counts.
    Argument repeatable();

private:
    CLI::Option* option_;
};

/// A program's command line or one of its subcommands. A handle: the program owns both. Names are CLI11's: "-f,--file"
/// for an option, "file" for a positional argument.
class Command {
public:
    explicit Command(CLI::App& app) : app_(&app) {}

    Command add_subcommand(const std::string& name, const std::string& description);
    /// Whoever adds it keeps `to` alive. For std::string, std::vector<std::string>, unsigned, std::size_t and
    /// std::optional<int>.
    template <typename T> Argument add_option(const std::string& names, T& to, const std::string& description = "");
    Argument add_flag(const std::string& names, bool& to, const std::string& description);
    /// One that is accepted, and changes nothing.
    Argument add_flag(const std::string& names, const std::string& description);
    /// One whose effect comes before a subcommand's.
    void add_early_flag(const std::string& name, const std::function<void()>& effect, const std::string& description);
    /// Words that nothing was added for are no error.
    void allow_extras();
    void require_subcommand();
    /// What it does once all is parsed.
    void callback(std::function<void()> act);

    std::vector<std::string> subcommands() const;
    std::string help() const;

protected:
    CLI::App* app_;
};

class Program : public Command {
public:
    Program(const std::string& about, const std::string& name);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// Words without the program's own name. Callbacks run, and may throw.
    /// @return the exit status if it ends here: 0 after its help, `misused` after a complaint; both are printed
    std::optional<int> parse(std::vector<std::string> words, int misused);

private:
    std::unique_ptr<CLI::App> owned_;
};

}
