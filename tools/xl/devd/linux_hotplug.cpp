// See linux_hotplug.hpp.
#include "tools/xl/devd/linux_hotplug.hpp"

#include "backends/lib/log.hpp"
#include "tools/xl/bridge.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/linux_backend.hpp"

#include <cerrno>
#include <cstring>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

void name_device(backends::Store& store, const ServedDevice& device)
{
    const std::string params = store.read(device.folder + "/params").value_or("");
    struct stat about {};
    if (stat(params.c_str(), &about) < 0)
        fail("cannot use disk '{}': {}", params, std::strerror(errno));
    if (!S_ISBLK(about.st_mode))
        fail("disk '{}' is no block device, which Linux's backend needs; losetup makes one of a file", params);
    store.update(device.folder,
                 {{"physical-device", fmt::format("{:x}:{:x}", major(about.st_rdev), minor(about.st_rdev))},
                  {"hotplug-status", "connected"}});
}

void set_up(backends::Store& store, const ServedDevice& device)
{
    const auto node = [&](const char* name) { return store.read(device.folder + "/" + name).value_or(""); };
    if (node("hotplug-status") == "connected")
        return;
    if (device.kind == "vbd")
        name_device(store, device);
    else if (device.kind == "vif" && node("state") != "1" && set_up_linux_vif(device.guest, device.number, node))
        store.update(device.folder, {{"hotplug-status", "connected"}});
}

}

void set_up_for_linux(backends::Store& store, const ServedDevice& device)
{
    try {
        bind_to_linux(device.kind, device.guest, device.number);
        set_up(store, device);
    } catch (const std::exception& error) {
        backends::log("{} {}/{}: {}", device.kind, device.guest.value, device.number, error.what());
        store.update(device.folder, {{"hotplug-error", error.what()}, {"hotplug-status", "error"}});
    }
}

}
