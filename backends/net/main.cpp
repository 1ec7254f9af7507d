// xylem-netback: serves guests' network interfaces by taps that dom0 bridges or routes, from dom0's user space.
#include "backends/lib/device_host.hpp"
#include "backends/lib/service.hpp"
#include "backends/lib/xen_store.hpp"
#include "backends/net/device.hpp"

#include <linux/capability.h>
#include <sys/socket.h>

using namespace xylem::backends;

static void serve(Service& service)
{
    EventLoop loop;
    XenStore store(loop);
    xylem::dom0::GrantDevice grants;
    EventHub events(loop);
    const net::Context context{loop, store, grants, events};
    DeviceHost host(loop, store, "vif", [&](const DevicePlace& place, DeviceEvents device_events) {
        return std::make_unique<net::NetDevice>(context, place, std::move(device_events));
    });
    service.run(loop, [&](EventLoop::Handler done) { host.shut_down(std::move(done)); }, {});
}

int main(int argc, char** argv)
{
    xylem::dom0::Program program(
        "Serves guests' network interfaces: each device in backend/vif, by a tap on the bridge that it names, or "
        "with routes to the guest.",
        argv[0]);
    // Taps are made, named, put on bridges, and given routes.
    Service service({.capabilities = {CAP_NET_ADMIN}, .socket_families = {AF_INET, AF_NETLINK}});
    service.add_options(program);
    return service_main(program, argc, argv, [&] { serve(service); });
}
