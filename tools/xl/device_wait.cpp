// Waiting for backends: what of device.hpp follows a new device until its backend waits for the guest.
#include "tools/xl/bridge.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/text.hpp"

#include <chrono>

namespace xylem::xl {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto patience = 10s;

/// What a backend left behind about its failure: our backends and hotplug scripts beside the device, Linux's under
/// /error. A driver domain's words do not steer a terminal.
std::string complaint(xenstore::Client& store, const Device& device)
{
    const std::string base = domain_path(device.backend_domain);
    const std::string linux_error = fmt::format("{}/error{}/error", base, device.backend().substr(base.size()));
    for (const std::string& path : {device.backend() + "/hotplug-error", linux_error})
        if (const auto text = store.find(path); text && !text->empty())
            return printable(*text);
    return {};
}

/// "the backend", or whose it is.
std::string who_serves(xenstore::Client& store, const Device& device)
{
    if (device.is_served_by_dom0())
        return "the backend";
    const auto name = store.find(domain_path(device.backend_domain) + "/name");
    return fmt::format("driver domain {} ({})", device.backend_domain.value, name.value_or("which has gone"));
}

[[noreturn]] void fail_untaken(xenstore::Client& store, const Device& device)
{
    constexpr auto seconds = std::chrono::seconds(patience).count();
    if (device.is_served_by_dom0())
        fail("no backend took up {} within {} s: is its daemon running?", device.describe(), seconds);
    fail("{} did not take up {} within {} s: does it run 'xl devd'?", who_serves(store, device), device.describe(),
         seconds);
}

/// Linux's own network backend makes the interface; joining it to the bridge, or routing to it, is the toolstack's
/// part. Ours does it itself.
void set_up_for_linux(xenstore::Client& store, const Device& device)
{
    const auto node = [&](const char* name) { return store.find(device.backend() + "/" + name).value_or(""); };
    if (node("hotplug-status") != "connected" && set_up_linux_vif(device.guest, device.number, node))
        store.write(device.backend() + "/hotplug-status", "connected");
}

/// @return whether the backend waits for the guest, or serves it already
bool is_taken_up(xenstore::Client& store, const Device& device)
{
    const std::string state = store.find(device.backend() + "/state").value_or("6");
    const bool failed = state == "5" || state == "6" || store.find(device.backend() + "/hotplug-status") == "error";
    const std::string why = complaint(store, device);
    if (failed || !why.empty())
        fail("{} cannot serve {}: {}", who_serves(store, device), device.describe(),
             why.empty() ? "it closed the device" : why);
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
                fail_untaken(store, device);
            store.wait_for_event(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()) + 1ms);
        }
        store.unwatch(device.backend(), device.backend());
        if (device.kind == "vif" && device.is_served_by_dom0())
            set_up_for_linux(store, device);
    }
}

}
