// xylem-blkback: serves guests' disks from files and block devices, from dom0's user space.
#include "backends/block/device.hpp"
#include "backends/lib/device_host.hpp"
#include "backends/lib/service.hpp"
#include "backends/lib/xen_store.hpp"

#include <algorithm>
#include <filesystem>
#include <linux/capability.h>

using namespace xylem::backends;

/// A device may have gone while no backend was there to see it.
static void forget_gone_devices(XenStore& store)
{
    const std::string folder = fmt::format("/local/domain/{}/backend/vbd", read_number(store, "domid").value_or(0));
    std::error_code none; // there may be no folder yet
    for (const auto& file : std::filesystem::directory_iterator(xylem::dom0::disk_counters_folder, none)) {
        std::string place = file.path().filename();
        std::ranges::replace(place, '-', '/');
        if (!store.read(folder + "/" + place + "/frontend"))
            std::filesystem::remove(file.path(), none);
    }
}

static void serve(Service& service)
{
    EventLoop loop;
    XenStore store(loop);
    forget_gone_devices(store);
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
    xylem::dom0::Program program(
        "Serves guests' disks: each device in backend/vbd, from the file that its params name.", argv[0]);
    // Disks belong to whoever made them.
    Service service({.capabilities = {CAP_DAC_OVERRIDE}, .socket_families = {}, .io_uring = true});
    service.add_options(program);
    return service_main(program, argc, argv, [&] { serve(service); });
}
