// xenconsoled: every guest's console, on a pty for `xl console` and in a log file.
#include "backends/console/daemon.hpp"
#include "backends/lib/service.hpp"
#include "backends/lib/xen_store.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>

using namespace xylem;
using namespace xylem::backends;

static void serve(Service& service, const console::Options& options)
{
    if (!options.log_folder.empty())
        std::filesystem::create_directories(options.log_folder);
    EventLoop loop;
    XenStore store(loop);
    dom0::GrantDevice grants;
    dom0::Hypervisor hypervisor;
    EventHub events(loop);
    console::Daemon daemon(loop, store, events, grants, hypervisor, options);
    service.run(
        loop, [](EventLoop::Handler done) { done(); }, [&] { daemon.reopen_logs(); });
}

int main(int argc, char** argv)
{
    CLI::App app("Serves guests' consoles: a pty each, and a log. SIGHUP opens the logs anew.");
    Service service({});
    service.add_options(app);
    std::string what = "guest";
    std::string folder = "/var/log/xen/console";
    app.add_option("--log", what, "whose output goes to a log file: guest (or all) or none")
        ->check(CLI::IsMember({"guest", "all", "none"}))
        ->capture_default_str();
    app.add_option("--log-dir", folder, "where the logs lie, as guest-NAME.log")->capture_default_str();
    std::size_t limit = 16 << 20;
    app.add_option("--log-limit", limit, "bytes of one log; the one before it is kept as guest-NAME.log.1; 0: no limit")
        ->transform(CLI::AsSizeValue(false))
        ->capture_default_str();
    return service_main(app, argc, argv, [&] {
        serve(service, console::Options{what == "none" ? "" : folder, limit});
    });
}
