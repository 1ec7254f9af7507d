// xl's commands. Each file of this folder adds a few to the program's parser; what a command does is in its callback.
#pragma once

#include <CLI/CLI.hpp>

namespace xylem::xl::commands {

void add_create(CLI::App& xl);
void add_listing(CLI::App& xl);   ///< list, vm-list, domid, domname, uptime
void add_lifecycle(CLI::App& xl); ///< destroy, pause, unpause, shutdown, reboot, console, rename
void add_host(CLI::App& xl);      ///< info, dmesg, debug-keys, set-parameters, audit
void add_vcpu(CLI::App& xl);      ///< vcpu-list, vcpu-set, vcpu-pin
void add_memory(CLI::App& xl);    ///< mem-set, mem-max
void add_signals(CLI::App& xl);   ///< sysrq, trigger
void add_core(CLI::App& xl);      ///< dump-core
void add_block(CLI::App& xl);     ///< block-attach, block-detach, block-list, cd-insert, cd-eject
void add_network(CLI::App& xl);   ///< network-attach, network-detach, network-list
void add_devd(CLI::App& xl);

/// The flag --json: what is listed is for a program.
inline void add_json_flag(CLI::App* command, bool& as_json)
{
    command->add_flag("--json", as_json, "for programs");
}

/// A subcommand whose one argument is a domain.
CLI::App* add_domain_command(CLI::App& xl, const char* name, const char* description, std::string& domain);

}
