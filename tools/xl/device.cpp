// See device.hpp. The protocol is xenbus's (io/xenbus.h): each end has a state, 1 Initialising to 6 Closed.
#include "tools/xl/device.hpp"

#include "tools/xl/failure.hpp"

#include <charconv>
#include <chrono>
#include <functional>

namespace xylem::xl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds patience{10};           // as libxl's for a backend to close
constexpr std::chrono::seconds patience_at_the_end{2}; // with guests whose driver domain goes

constexpr const char* state_initialising = "1";
constexpr const char* state_closing = "5";
constexpr const char* state_closed = "6";

std::optional<u32> number_of(const std::string& text)
{
    u32 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// Of "/local/domain/ID/backend/...", as xl has written it.
DomId domain_of(const std::string& backend)
{
    static constexpr std::string_view prefix = "/local/domain/";
    if (!backend.starts_with(prefix))
        return dom0_id;
    const auto id = number_of(backend.substr(prefix.size(), backend.find('/', prefix.size()) - prefix.size()));
    return id && *id < first_reserved_domid ? DomId(static_cast<u16>(*id)) : dom0_id;
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
        taken_up = state && *state != state_initialising && (*state != state_closed || !device.is_served_by_dom0());
        if (!state)
            return;
        in.write(device.backend() + "/online", "0");
        if (*state != state_closed)
            in.write(device.backend() + "/state", state_closing);
    });
    return taken_up;
}

bool is_closed(xenstore::Client& store, const std::string& end)
{
    const auto state = store.find(end + "/state");
    return !state || *state == state_closed;
}

/// Watches the state of a device's end until `holds`.
/// @return whether that came in time
bool wait_at(xenstore::Client& store, const std::string& end, Clock::time_point deadline,
             const std::function<bool()>& holds)
{
    const std::string path = end + "/state";
    store.watch(path, path);
    bool held = holds();
    while (!held && Clock::now() < deadline) {
        store.wait_for_event(std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()));
        held = holds();
    }
    store.unwatch(path, path);
    return held;
}

/// In a driver domain, xl devd undoes what was done for a device, and removes the backend's folder, once it is closed.
/// One that does not is not waited for beyond the deadline, and its folder is ours to remove.
/// @return whether it closed in time
bool wait_for_backend(xenstore::Client& store, const Device& device, Clock::time_point deadline)
{
    const std::string end = device.backend();
    if (!wait_at(store, end, deadline, [&] { return is_closed(store, end); }))
        return false;
    if (!device.is_served_by_dom0())
        wait_at(store, end, deadline, [&] { return !store.find(end + "/state"); });
    return true;
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
    return fmt::format("{}/backend/{}/{}/{}", domain_path(backend_domain), kind, guest.value, number);
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
    std::vector<std::string> paths;
    for (const Device& device : devices)
        paths.push_back(device.record() + "/backend");
    const auto backends = store.find_each(paths);
    for (std::size_t i = 0; i < devices.size(); ++i)
        devices[i].backend_domain = domain_of(backends[i].value_or(""));
    return devices;
}

/// By what toolstacks have left for it to serve. What it may write itself lies deeper.
static std::vector<Device> devices_served_by(xenstore::Client& store, DomId backend_domain)
{
    std::vector<Device> devices;
    const std::string base = domain_path(backend_domain) + "/backend";
    for (const std::string& kind : store.list_if_exists(base))
        for (const std::string& guest : store.list_if_exists(base + "/" + kind))
            for (const std::string& number : store.list_if_exists(fmt::format("{}/{}/{}", base, kind, guest))) {
                const auto id = number_of(guest);
                const auto value = number_of(number);
                if (id && *id < first_reserved_domid && value)
                    devices.push_back({kind, DomId(static_cast<u16>(*id)), *value, backend_domain});
            }
    return devices;
}

void end_served_devices(xenstore::Client& store, DomId backend_domain)
{
    const std::vector<Device> devices = devices_served_by(store, backend_domain);
    if (devices.empty())
        return;
    store.transact([&](xenstore::StoreView& in) {
        for (const Device& device : devices)
            if (in.find(device.backend() + "/state")) {
                in.write(device.backend() + "/online", "0");
                in.write(device.backend() + "/state", state_closing);
            }
    });
    const Clock::time_point deadline = Clock::now() + patience_at_the_end;
    for (const Device& device : devices)
        wait_at(store, device.frontend(), deadline, [&] { return is_closed(store, device.frontend()); });
}

void remove_devices(xenstore::Client& store, const std::vector<Device>& devices, Removal removal)
{
    const Clock::time_point deadline = Clock::now() + patience;
    std::vector<bool> taken_up;
    for (const Device& device : devices)
        taken_up.push_back(!device.is_first_console() && begin_removal(store, device, removal));
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const bool closed = !taken_up[i] || wait_for_backend(store, devices[i], deadline);
        if (!closed && removal == Removal::polite)
            fail("{} is still in use: the guest did not let go of it within {} s", devices[i].describe(),
                 patience.count());
        remove_nodes(store, devices[i], removal);
    }
}

}
