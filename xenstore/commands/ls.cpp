// xenstore-ls: the tree, a node a line, with values cut to the width of the terminal.
#include "xenstore/commands/command.hpp"
#include "xenstore/commands/value_text.hpp"
#include "xenstore/store/path.hpp"

#include <cstdio>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace xylem::xenstore {

namespace {

constexpr std::size_t value_frame = 8; // what stands around a value, if it is cut: ` = "` and `..."`
constexpr std::size_t permissions_column = 60;

struct Layout {
    std::size_t width = 80;
    bool is_flat = false;
    bool shows_permissions = false;
};

Layout layout_of(const Arguments& arguments)
{
    Layout layout{.is_flat = arguments.flat, .shows_permissions = arguments.prefix};
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 2)
        layout.width = size.ws_col - 2U;
    if (arguments.flat)
        layout.width = ~std::size_t{0} / 2;
    return layout;
}

std::string permissions_text(StoreView& view, const std::string& path)
{
    std::string text;
    for (const Permission& permission : view.permissions(path))
        text += (text.empty() ? "" : ",") + to_text(permission);
    return "  (" + text + ")";
}

std::string line_of(StoreView& view, const std::string& path, std::size_t depth, const Layout& layout)
{
    const std::string name(name_of(path));
    std::string line =
        layout.is_flat ? path : std::string(depth, ' ') + name.substr(0, layout.width - value_frame - depth);
    const std::size_t used = layout.is_flat ? 0 : line.size();
    const std::optional<std::string> value = view.find(path);
    if (!value) {
        line += ":\n";
    } else if (used + value->size() + value_frame > layout.width) {
        line += fmt::format(" = \"{}\\...\"", escaped(*value).substr(0, layout.width - value_frame - used));
    } else {
        line += fmt::format(" = \"{}\"", escaped(*value));
        if (layout.shows_permissions) {
            line += ' ';
            for (std::size_t column = line.size();
                 !layout.is_flat && column < std::min(permissions_column, layout.width); ++column)
                line += column & 1 ? '.' : ' ';
        }
    }
    if (layout.shows_permissions)
        line += permissions_text(view, path);
    return line;
}

void list_below(StoreView& view, const std::string& path, std::size_t depth, const Layout& layout)
{
    // A node may vanish while others are listed; only the first must exist.
    const std::vector<std::string> names =
        saying([&](const char* why) { return "xs_directory (" + path + "): " + why; },
               [&] { return depth == 0 ? view.list(path) : view.list_if_exists(path); });
    for (const std::string& name : names) {
        const std::string child = child_of(path, name);
        std::string line;
        try {
            line = line_of(view, child, depth, layout);
        } catch (const StoreError& error) {
            if (!error.is(Error::NoEntry))
                throw;
            continue;
        }
        std::puts(line.c_str());
        list_below(view, child, depth + 1, layout);
    }
}

}

int run_ls(Client&, StoreView& view, const Arguments& arguments, Output&)
{
    const Layout layout = layout_of(arguments);
    if (arguments.words.empty())
        list_below(view, "/", 0, layout);
    for (const std::string& path : arguments.words)
        list_below(view, path, 0, layout);
    return 0;
}

}
