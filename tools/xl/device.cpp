// See device.hpp. The protocol is xenbus's (io/xenbus.h): each end has a state, 1 Initialising to 6 Closed.
#include "tools/xl/device.hpp"

#include "tools/xl/failure.hpp"

#include <charconv>
#include <chrono>

namespace xylem::xl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{10}; // as libxl's for a backend to close

constexpr const char* state_initialising = "1";
constexpr const char* state_closing = "5";
constexpr const char* state_closed = "6";

std::optional<u32> number_of(const std::string& text)
{
    u32 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// Asks the backend to close, on the guest's behalf where it is not asked.
/// @return whether there is a backend to wait for: none does anything before it has left the state that xl wrote
bool begin_removal(xenstore::Client& store, const Device& device, Removal removal)
{
    bool taken_up = false;
    store.transact([&](xenstore::StoreView& in) {
        if (removal != Removal::polite)
            in.remove_if_exists(device.frontend());
        const auto state = in.find(device.backend() + "/state");
        taken_up = state && *state != state_closed && *state != state_initialising;
        if (!state || *state == state_closed)
            return;
        in.write(device.backend() + "/online", "0");
        in.write(device.backend() + "/state", state_closing);
    });
    return taken_up;
}

bool is_closed(xenstore::Client& store, const Device& device)
{
    const auto state = store.find(device.backend() + "/state");
    return !state || *state == state_closed;
}

/// @return whether it closed in time
bool wait_until_closed(xenstore::Client& store, const Device& device, Clock::time_point deadline)
{
    const std::string path = device.backend() + "/state";
    store.watch(path, path);
    bool closed = is_closed(store, device);
    while (!closed && Clock::now() < deadline) {
        store.wait_for_event(std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
        closed = is_closed(store, device);
    }
    store.unwatch(path, path);
    return closed;
}

void remove_nodes(xenstore::Client& store, const Device& device, Removal removal)
{
    store.transact([&](xenstore::StoreView& in) {
        remove_with_empty_parents(in, device.backend());
        if (removal == Removal::with_domain)
            return;
        remove_with_empty_parents(in, device.frontend());
        remove_with_empty_parents(in, device.record());
    });
}

}

std::string Device::frontend() const
{
    return is_first_console() ? fmt::format("{}/console", domain_path(guest))
                              : fmt::format("{}/device/{}/{}", domain_path(guest), kind, number);
}

std::string Device::backend() const
{
    return fmt::format("{}/backend/{}/{}/{}", domain_path(dom0_id), kind, guest.value, number);
}

std::string Device::record() const
{
    return fmt::format("{}/device/{}/{}", libxl_path(guest), kind, number);
}

std::string Device::describe() const
{
    const std::string what = kind == "vbd" ? "disk" : kind == "vif" ? "interface" : kind;
    return fmt::format("{} {} of domain {}", what, number, guest.value);
}

std::vector<Device> devices_of(xenstore::Client& store, DomId guest)
{
    std::vector<Device> devices;
    const std::string base = libxl_path(guest) + "/device";
    for (const std::string& kind : store.list_if_exists(base))
        for (const std::string& number : store.list_if_exists(base + "/" + kind))
            if (const auto value = number_of(number))
                devices.push_back({kind, guest, *value});
    return devices;
}

void remove_devices(xenstore::Client& store, const std::vector<Device>& devices, Removal removal)
{
    const Clock::time_point deadline = Clock::now() + patience;
    std::vector<bool> taken_up;
    for (const Device& device : devices)
        taken_up.push_back(!device.is_first_console() && begin_removal(store, device, removal));
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const bool closed = !taken_up[i] || wait_until_closed(store, devices[i], deadline);
        if (!closed && removal == Removal::polite)
            fail("{} is still in use: the guest did not let go of it within {} s", devices[i].describe(),
                 patience.count());
        remove_nodes(store, devices[i], removal);
    }
}

}
