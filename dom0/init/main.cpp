// Dom0's first program: brings the control domain up, keeps its services running, and gives the console to a shell.

#include "dom0/init/configuration.hpp"
#include "dom0/init/entropy.hpp"
#include "dom0/init/modules.hpp"
#include "dom0/init/network.hpp"
#include "dom0/init/supervisor.hpp"
#include "dom0/init/system.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>

#include <unistd.h>

using namespace xylem::init;

namespace {

constexpr const char* configuration_path = "/etc/xylem/init.json";

void bring_up(const Configuration& configuration)
{
    fill_random_pool();
    set_host_name(configuration.host_name);
    Modules modules;
    for (const std::string& name : configuration.modules)
        modules.load(name);
    modules.load_for_devices();
    mount_xenfs();
    bring_up_bridge(configuration.bridge);
    if (const std::string card = kernel_word("xylem.card"); !card.empty())
        bring_up_card(configuration.bridge, card, kernel_word("xylem.address"), kernel_word("xylem.gateway"));
}

}

int main()
{
    if (getpid() != 1) {
        std::fprintf(stderr, "xylem-init is the first program of dom0's image, and runs as process 1 only\n");
        return 1;
    }
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", 1);
    setenv("HOME", "/root", 1);
    setenv("TERM", "vt100", 0);
    mount_file_systems();
    say("xylem-init starts");
    try {
        const Configuration configuration = parse_configuration(read_file(configuration_path));
        bring_up(configuration);
        Supervisor(configuration).run();
    } catch (const std::exception& error) {
        // Process 1 must not end: a shell lets the operator look.
        say("%s: %s; here is a shell", configuration_path, error.what());
        execl("/bin/sh", "sh", static_cast<char*>(nullptr));
    }
    return 1;
}
