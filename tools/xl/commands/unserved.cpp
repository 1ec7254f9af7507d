// The commands that are not served: each takes what Xen's takes, and says why it does nothing.
#include "tools/xl/commands/unserved.hpp"

#include "tools/xl/command_table.hpp"
#include "tools/xl/failure.hpp"

#include <memory>

namespace xylem::xl::commands {

namespace {

[[noreturn]] void refuse(const CommandEntry& entry)
{
    if (entry.state == CommandState::not_yet)
        fail("the command '{}' is not served yet: {}", entry.name, entry.note);
    fail("the command '{}' is not served: {}", entry.name, entry.note);
}

const CommandEntry& entry_of(std::string_view name)
{
    for (const CommandEntry& entry : command_table())
        if (entry.name == name)
            return entry;
    fail("the command '{}' is in no table", name);
}

/// A command whose options are checked although nothing comes of them.
struct Option {
    const char* names;
    const char* description;
    bool has_value;
};
struct Form {
    const char* name;
    const char* description;
    std::initializer_list<Option> options;
    std::initializer_list<const char*> required;
    const char* optional;
};

void add_form(dom0::Command xl, const Form& form)
{
    dom0::Command command = xl.add_subcommand(form.name, form.description);
    auto values = std::make_shared<std::vector<std::string>>(form.options.size() + form.required.size() + 1);
    std::size_t next = 0;
    for (const Option& option : form.options)
        if (option.has_value)
            command.add_option(option.names, values->at(next++), option.description);
        else
            command.add_flag(option.names, option.description);
    for (const char* argument : form.required)
        command.add_option(argument, values->at(next++)).required();
    if (form.optional)
        command.add_option(form.optional, values->at(next));
    const CommandEntry& entry = entry_of(form.name);
    command.callback([values, &entry] { refuse(entry); });
}

void add_bare(dom0::Command xl, const CommandEntry& entry)
{
    dom0::Command command = xl.add_subcommand(std::string(entry.name), std::string(entry.description));
    command.allow_extras();
    command.callback([&entry] { refuse(entry); });
}

}

void add_unserved(dom0::Command xl)
{
    add_form(xl, {"save",
                  "Save a domain state to restore later",
                  {{"-c", "leave the domain running after creating the snapshot", false},
                   {"-p", "leave the domain paused after creating the snapshot", false},
                   {"-D", "store the domain id in the configuration", false}},
                  {"domain", "checkpointfile"},
                  "configfile"});
    add_form(xl, {"restore",
                  "Restore a domain from a saved state",
                  {{"-p", "do not unpause the domain after restoring it", false},
                   {"-e", "do not wait in the background for the death of the domain", false},
                   {"-d", "print the configuration", false},
                   {"-F", "stay in the foreground until the death of the domain", false},
                   {"-c", "connect to the console", false},
                   {"-V,--vncviewer", "not served: guests have no framebuffer", false},
                   {"-A,--vncviewer-autopass", "not served: guests have no framebuffer", false}},
                  {"file"},
                  "checkpointfile"});
    add_form(xl, {"migrate",
                  "Migrate a domain to another host",
                  {{"-C", "send this configuration in the place of the domain's own", true},
                   {"-s", "the command in the place of ssh", true},
                   {"-e", "do not wait on the other host for the death of the domain", false},
                   {"--debug", "print much about the migration", false},
                   {"--live", "has no effect, as in Xen", false},
                   {"-p", "do not unpause the domain after migrating it", false},
                   {"-D", "preserve the domain id", false}},
                  {"domain", "host"},
                  nullptr});
    for (const CommandEntry& entry : command_table())
        if (!entry.description.empty())
            add_bare(xl, entry);
}

}
