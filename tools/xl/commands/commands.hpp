// xl's commands. Each file of this folder adds a few to the program's parser; what a command does is in its callback.
#pragma once

#include "dom0/lib/program.hpp"

namespace xylem::xl::commands {

void add_create(dom0::Command xl);
void add_listing(dom0::Command xl);   ///< list, vm-list, domid, domname, uptime
void add_lifecycle(dom0::Command xl); ///< destroy, pause, unpause, shutdown, reboot, console, rename
void add_host(dom0::Command xl);      ///< info, dmesg, debug-keys, set-parameters, audit
void add_vcpu(dom0::Command xl);      ///< vcpu-list, vcpu-set, vcpu-pin
void add_memory(dom0::Command xl);    ///< mem-set, mem-max
void add_signals(dom0::Command xl);   ///< sysrq, trigger
void add_core(dom0::Command xl);      ///< dump-core
void add_block(dom0::Command xl);     ///< block-attach, block-detach, block-list, cd-insert, cd-eject
void add_network(dom0::Command xl);   ///< network-attach, network-detach, network-list
void add_devd(dom0::Command xl);

/// The flag --json: what is listed is for a program.
inline void add_json_flag(dom0::Command command, bool& as_json)
{
    command.add_flag("--json", as_json, "for programs");
}

/// A subcommand whose one argument is a domain.
dom0::Command add_domain_command(dom0::Command xl, const char* name, const char* description, std::string& domain);

}
