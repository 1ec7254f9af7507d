// The commands but xenstore-ls, and the table of all. Names, options, output and exit status are those of Debian's
// xenstore-utils.
#include "xenstore/commands/command.hpp"
#include "xenstore/commands/value_text.hpp"
#include "xenstore/store/path.hpp"

#include <algorithm>
#include <cstdio>

namespace xylem::xenstore {

namespace {

int run_read(Client&, StoreView& view, const Arguments& arguments, Output& output)
{
    for (const std::string& path : arguments.words) {
        const std::string value =
            saying([&](const char*) { return "couldn't read path " + path; }, [&] { return view.read(path); });
        if (arguments.prefix)
            output += path + ": ";
        output += arguments.raw ? value : escaped(value) + '\n';
    }
    return 0;
}

int run_write(Client&, StoreView& view, const Arguments& arguments, Output&)
{
    for (std::size_t i = 0; i + 1 < arguments.words.size(); i += 2) {
        const std::string& path = arguments.words[i];
        const std::string& value = arguments.words[i + 1];
        saying([&](const char*) { return "could not write path " + path; },
               [&] { view.write(path, arguments.raw ? value : unescaped(value)); });
    }
    return 0;
}

/// Removes the nodes above, from the lowest up, as long as they are of no use.
void tidy_above(StoreView& view, std::string path)
{
    for (path = parent_of(path); path != "/"; path = parent_of(path)) {
        const std::optional<std::string> value = view.find(path);
        if (!value || !value->empty() || !view.list(path).empty())
            return;
        view.remove(path);
    }
}

int run_rm(Client&, StoreView& view, const Arguments& arguments, Output&)
{
    for (const std::string& path : arguments.words) {
        saying([&](const char*) { return "could not remove path " + path; }, [&] { view.remove(path); });
        if (arguments.tidy)
            tidy_above(view, path);
    }
    return 0;
}

int run_exists(Client&, StoreView& view, const Arguments& arguments, Output&)
{
    const auto exists = [&](const std::string& path) { return view.find(path).has_value(); };
    return std::ranges::all_of(arguments.words, exists) ? 0 : 1;
}

int run_list(Client&, StoreView& view, const Arguments& arguments, Output& output)
{
    for (const std::string& path : arguments.words)
        for (const std::string& name :
             saying([&](const char*) { return "could not list path " + path; }, [&] { return view.list(path); }))
            output += (arguments.prefix ? path + '/' : "") + name + '\n';
    return 0;
}

void set_at(StoreView& view, const std::string& path, const PermissionList& permissions)
{
    saying([&](const char* why) { return "Error occurred setting permissions on '" + path + "': " + why; },
           [&] { view.set_permissions(path, permissions); });
}

void set_below(StoreView& view, const std::string& path, const PermissionList& permissions)
{
    set_at(view, path, permissions);
    for (const std::string& name : view.list(path))
        set_below(view, child_of(path, name), permissions);
}

int run_chmod(Client&, StoreView& view, const Arguments& arguments, Output&)
{
    PermissionList permissions;
    for (std::size_t i = 1; i < arguments.words.size(); ++i) {
        Result<Permission> permission = parse_permission(arguments.words[i]);
        if (!permission.ok())
            throw CommandError("Invalid permission specification: '" + arguments.words[i].substr(0, 1) + "'");
        permissions.push_back(permission.take());
    }
    const std::string& path = arguments.words[0];
    set_at(view, path, permissions);
    if (arguments.upto)
        for (std::string above(parent_of(path)); above != "/"; above = parent_of(above))
            set_at(view, above, permissions);
    if (arguments.recurse)
        for (const std::string& name : view.list(path))
            set_below(view, child_of(path, name), permissions);
    return 0;
}

int run_watch(Client& client, StoreView&, const Arguments& arguments, Output&)
{
    for (const std::string& path : arguments.words)
        saying([&](const char*) { return "Unable to add watch on " + path + '\n'; }, [&] { client.watch(path, path); });
    for (int shown = 0; arguments.events < 0 || shown < arguments.events;) {
        if (const std::optional<WatchEvent> event = client.wait_for_event(std::chrono::hours(1))) {
            std::puts(event->path.c_str());
            std::fflush(stdout);
            ++shown;
        }
    }
    return 0;
}

int run_control(Client& client, StoreView&, const Arguments& arguments, Output& output)
{
    if (arguments.words[0] == "live-update")
        return run_live_update(client, arguments);
    output = client.control(arguments.words);
    if (!output.ends_with('\n'))
        output += '\n';
    return 0;
}

constexpr std::size_t never = ~std::size_t{0};

constexpr Command commands[] = {
    {"read", "pR", "[-h] [-p] [-s] [-R] key [...]", 1, 1, 2, run_read},
    {"write", "R", "[-h] [-s] [-R] key value [...]", 2, 2, 3, run_write},
    {"rm", "t", "[-h] [-s] [-t] key [...]", 1, 1, 1, run_rm},
    {"exists", "", "[-h] [-p] [-s] key [...]", 1, 1, 1, run_exists},
    {"list", "p", "[-h] [-p] [-s] key [...]", 1, 1, 1, run_list},
    {"ls", "fp", "[-h] [-f] [-p] [-s] [path]", 0, 1, never, run_ls},
    {"chmod", "ur", "[-h] [-u] [-r] [-s] key <mode [modes...]>", 1, 1, 1, run_chmod},
    {"watch", "n", "[-h] [-n NR] key", 1, 1, never, run_watch},
    {"control", "+", "[-h] command [arg...]", 1, 1, never, run_control},
};

}

const Command* find_command(std::string_view name)
{
    const auto found = std::ranges::find(commands, name, &Command::name);
    return found == std::end(commands) ? nullptr : found;
}

std::string command_names()
{
    std::string names;
    for (const Command& command : commands)
        names += (names.empty() ? "" : ", ") + std::string(command.name);
    return names;
}

}
