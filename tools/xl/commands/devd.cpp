// devd.
#include "tools/xl/devd/devd.hpp"
#include "tools/xl/commands/commands.hpp"

#include <memory>

namespace xylem::xl::commands {

void add_devd(dom0::Command xl)
{
    auto options = std::make_shared<DevdOptions>();
    dom0::Command command = xl.add_subcommand("devd", "Daemon that listens for devices and launches backends");
    command.add_flag("-F", options->in_foreground, "stay in the foreground");
    command.add_option("-p,--pidfile", options->pid_file, "write the daemon's number here");
    command.callback([options] { run_devd(*options); });
}

}
