// Waiting for backends: what of device.hpp follows a new device until its backend waits for the guest.
#include "dom0/lib/routed_interface.hpp"
#include "tools/xl/bridge.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/failure.hpp"

#include <chrono>
#include <thread>
#include <unistd.h>

namespace xylem::xl {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto patience = 10s;

/// What a backend left behind about its failure: our backends and hotplug scripts beside the device, Linux's under
/// /error.
std::string complaint(xenstore::Client& store, const Device& device)
{
    const std::string base = domain_path(dom0_id);
    const std::string linux_error = fmt::format("{}/error{}/error", base, device.backend().substr(base.size()));
    for (const std::string& path : {device.backend() + "/hotplug-error", linux_error})
        if (const auto text = store.find(path); text && !text->empty())
            return *text;
    return {};
}

/// Linux's own network backend makes the interface; joining it to the bridge, or routing to it, is the toolstack's
/// part. Ours does it itself.
void set_up_for_linux(xenstore::Client& store, const Device& device)
{
    const std::string name = fmt::format("vif{}.{}", device.guest.value, device.number);
    if (access("/sys/bus/xen-backend/drivers/vif", F_OK) != 0)
        return; // Linux's backend is not loaded
    for (const Clock::time_point deadline = Clock::now() + 2s; !is_linux_backend_interface(name);) {
        if (Clock::now() >= deadline)
            return;
        std::this_thread::sleep_for(10ms); // its state changes shortly before its interface is there
    }
    if (store.find(device.backend() + "/hotplug-status") == "connected")
        return;
    const std::string final_name = store.find(device.backend() + "/vifname").value_or(name);
    const auto node = [&](const char* key) { return store.find(device.backend() + key).value_or(""); };
    set_up_interface(name, final_name, node("/bridge"));
    if (dom0::is_routing_script(node("/script")))
        dom0::route_interface(final_name, {node("/gatewaydev"), dom0::parse_networks(node("/ip"))});
    store.write(device.backend() + "/hotplug-status", "connected");
}

/// @return whether the backend waits for the guest, or serves it already
bool is_taken_up(xenstore::Client& store, const Device& device)
{
    const std::string state = store.find(device.backend() + "/state").value_or("6");
    const bool failed = state == "5" || state == "6" || store.find(device.backend() + "/hotplug-status") == "error";
    const std::string why = complaint(store, device);
    if (failed || !why.empty())
        fail("the backend cannot serve {}: {}", device.describe(), why.empty() ? "it closed the device" : why);
    return state != "1";
}

}

void wait_for_backends(xenstore::Client& store, const std::vector<Device>& devices)
{
    const Clock::time_point deadline = Clock::now() + patience;
    for (const Device& device : devices) {
        store.watch(device.backend(), device.backend());
        while (!is_taken_up(store, device)) {
            if (Clock::now() >= deadline)
                fail("no backend took up {} within {} s: is its daemon running?", device.describe(),
                     std::chrono::seconds(patience).count());
            store.wait_for_event(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()) + 1ms);
        }
        store.unwatch(device.backend(), device.backend());
        if (device.kind == "vif")
            set_up_for_linux(store, device);
    }
}

}
