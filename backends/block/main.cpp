// xylem-blkback: serves guests' disks from files and block devices, from dom0's user space.
#include "backends/block/device.hpp"
#include "backends/lib/device_host.hpp"
#include "backends/lib/service.hpp"
#include "backends/lib/xen_store.hpp"

#include <CLI/CLI.hpp>
#include <linux/capability.h>

using namespace xylem::backends;

static void serve(Service& service)
{
    EventLoop loop;
    XenStore store(loop);
    xylem::dom0::GrantDevice grants;
    EventHub events(loop);
    block::AsyncIo io(loop);
    const block::Context context{loop, store, grants, events, io};
    DeviceHost host(loop, store, "vbd", [&](const DevicePlace& place, DeviceEvents device_events) {
        return std::make_unique<block::BlockDevice>(context, place, std::move(device_events));
    });
    service.run(loop, [&](EventLoop::Handler done) { host.shut_down(std::move(done)); }, {});
}

int main(int argc, char** argv)
{
    CLI::App app("Serves guests' disks: each device in backend/vbd, from the file that its params name.");
    // Disks belong to whoever made them.
    Service service({.capabilities = {CAP_DAC_OVERRIDE}, .socket_families = {}, .io_uring = true});
    service.add_options(app);
    return service_main(app, argc, argv, [&] { serve(service); });
}
