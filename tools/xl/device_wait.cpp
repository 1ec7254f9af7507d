// Waiting for backends: what of device.hpp follows a new device until its backend waits for the guest.
#include "tools/xl/bridge.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/linux_backend.hpp"
#include "tools/xl/text.hpp"

#include <algorithm>
#include <chrono>
#include <unistd.h>
#include <utility>

namespace xylem::xl {

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

// As libxl's, for a backend and for the scripts of a driver domain, which is a domain among others and may be busy.
constexpr auto patience = 10s;
constexpr auto patience_with_driver_domain = 40s;

constexpr auto soon = 2s; ///< for which nobody wants to be told of

std::chrono::seconds patience_with(const Device& device)
{
    return device.is_served_by_dom0() ? patience : patience_with_driver_domain;
}

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
    const auto seconds = patience_with(device).count();
    if (device.is_served_by_dom0())
        fail("no backend took up {} within {} s: is its daemon running?", device.describe(), seconds);
    fail("{} did not take up {} within {} s: does it run 'xl devd'?", who_serves(store, device), device.describe(),
         seconds);
}

/// In a driver domain its xl devd does that.
void give_to_linux(const Device& device)
{
    try {
        bind_to_linux(device.kind, device.guest, device.number);
    } catch (const Failure& failure) {
        fail("Linux's own backend cannot serve {}: {}", device.describe(), failure.what());
    }
}

/// Linux's own network backend makes the interface; joining it to the bridge, or routing to it, is the toolstack's
/// part. Ours does it itself.
void set_up_for_linux(xenstore::Client& store, const Device& device)
{
    const auto node = [&](const char* name) { return store.find(device.backend() + "/" + name).value_or(""); };
    if (node("hotplug-status") != "connected" && set_up_linux_vif(device.guest, device.number, node))
        store.write(device.backend() + "/hotplug-status", "connected");
}

/// For a person at a terminal.
void tell_of_wait(xenstore::Client& store, const Device& device)
{
    if (isatty(STDERR_FILENO) == 1)
        fmt::print(stderr, "xl: waiting up to {} s for {} to take up {}\n", patience_with(device).count(),
                   who_serves(store, device), device.describe());
}

/// Of the store, at most so long.
void wait_for_news(xenstore::Client& store, const InterruptGuard& interrupts, std::chrono::milliseconds longest)
{
    constexpr auto between_looks = 100ms; // nobody notices that Ctrl-C takes as long
    for (std::chrono::milliseconds left = longest; left > 0ms; left -= between_looks) {
        interrupts.check();
        if (store.wait_for_event(std::min(left, std::chrono::milliseconds(between_looks))))
            return;
    }
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

void wait_for_backends(xenstore::Client& store, const std::vector<Device>& devices, const InterruptGuard& interrupts)
{
    const Clock::time_point start = Clock::now();
    for (const Device& device : devices)
        if (device.by_linux && device.is_served_by_dom0())
            give_to_linux(device);
    for (const Device& device : devices) {
        const Clock::time_point deadline = start + patience_with(device);
        bool told = false;
        store.watch(device.backend(), device.backend());
        while (!is_taken_up(store, device)) {
            if (Clock::now() >= deadline)
                fail_untaken(store, device);
            const bool is_long = Clock::now() >= start + soon;
            if (is_long && !std::exchange(told, true))
                tell_of_wait(store, device);
            const Clock::duration left = (is_long ? deadline : start + soon) - Clock::now();
            wait_for_news(store, interrupts, std::chrono::duration_cast<std::chrono::milliseconds>(left) + 1ms);
        }
        store.unwatch(device.backend(), device.backend());
        if (device.kind == "vif" && device.is_served_by_dom0())
            set_up_for_linux(store, device);
    }
}

void attach_device(xenstore::Client& store, const std::function<Device(xenstore::StoreView&)>& write)
{
    const InterruptGuard interrupts; // it outlives the undoing
    std::vector<Device> devices;
    store.transact([&](xenstore::StoreView& view) { devices = {write(view)}; });
    try {
        wait_for_backends(store, devices, interrupts);
    } catch (const std::exception&) {
        remove_devices(store, devices, Removal::forced);
        throw;
    }
}

}
