// xenconsoled: every guest's console, on a pty for `xl console` and in a log file; and its channels.
#include "backends/console/channel.hpp"
#include "backends/console/daemon.hpp"
#include "backends/lib/device_host.hpp"
#include "backends/lib/service.hpp"
#include "backends/lib/xen_store.hpp"

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
    const auto make_channel = [&](const DevicePlace& place, DeviceEvents device_events) {
        const auto bind = [&events, peer = place.peer](Port remote, EventLoop::Handler on_event) {
            return events.bind(peer, remote, std::move(on_event), EventHub::Unmask::by_owner);
        };
        return std::make_unique<console::Channel>(
            DeviceSeams{loop, store, std::make_unique<GntdevMemory>(grants, place.peer), bind}, place,
            std::move(device_events));
    };
    DeviceHost channels(loop, store, "console", make_channel,
                        [&](DomId domain, unsigned number) { return console::is_channel(store, domain, number); });
    service.run(
        loop, [&](EventLoop::Handler done) { channels.shut_down(std::move(done)); }, [&] { daemon.reopen_logs(); });
}

int main(int argc, char** argv)
{
    xylem::dom0::Program program(
        "Serves guests' consoles: a pty each, and a log; and channels, on ptys and Unix sockets. SIGHUP opens "
        "the logs anew.",
        argv[0]);
    Service service({.capabilities = {}, .socket_families = {}, .io_uring = false, .listening = true});
    service.add_options(program);
    std::string what = "guest";
    std::string folder = "/var/log/xen/console";
    program.add_option("--log", what, "whose output goes to a log file: guest (or all) or none")
        .one_of({"guest", "all", "none"})
        .shows_default();
    program.add_option("--log-dir", folder, "where the logs lie, as guest-NAME.log").shows_default();
    std::size_t limit = 16 << 20;
    program
        .add_option("--log-limit", limit,
                    "bytes of one log; the one before it is kept as guest-NAME.log.1; 0: no limit")
        .size()
        .shows_default();
    return service_main(program, argc, argv, [&] {
        serve(service, console::Options{what == "none" ? "" : folder, limit});
    });
}
