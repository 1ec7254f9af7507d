// See served_devices.hpp.
#include "tools/xl/devd/served_devices.hpp"

#include "backends/lib/log.hpp"
#include "backends/lib/xenbus.hpp"

#include <algorithm>
#include <charconv>

namespace xylem::xl {

using backends::log;

namespace {

constexpr const char* state_initialising = "1";
constexpr const char* state_closed = "6";

std::vector<std::string> parts_of(const std::string& path)
{
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= path.size();) {
        const std::size_t end = std::min(path.find('/', at), path.size());
        parts.push_back(path.substr(at, end - at));
        at = end + 1;
    }
    return parts;
}

std::optional<u32> number_of(const std::string& text, u32 limit)
{
    u32 value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool whole = error == std::errc() && end == text.data() + text.size();
    return whole && value < limit ? std::optional(value) : std::nullopt;
}

/// A part of a program's name is made of it.
bool is_kind(const std::string& text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return (c >= 'a' && c <= 'z') || c == '9'; });
}

/// Most changes are the backends' own features; what steers us is little.
bool matters(const std::string& node)
{
    return node.empty() || node == "state" || node == "online";
}

}

std::optional<ServedDevice> device_at(const std::string& base, const std::string& path)
{
    if (!path.starts_with(base + "/"))
        return std::nullopt;
    const std::vector<std::string> parts = parts_of(path.substr(base.size() + 1));
    if (parts.size() < 3 || !is_kind(parts[0]))
        return std::nullopt;
    const auto guest = number_of(parts[1], first_reserved_domid);
    const auto number = number_of(parts[2], ~u32{0});
    if (!guest || !number)
        return std::nullopt;
    return ServedDevice{parts[0], DomId(static_cast<u16>(*guest)), *number,
                        fmt::format("{}/{}/{}/{}", base, parts[0], parts[1], parts[2])};
}

ServedDevices::ServedDevices(backends::EventLoop& loop, backends::Store& store, DomId self, DeviceHelpers helpers)
    : loop_(loop), store_(store), base_(fmt::format("/local/domain/{}/backend", self.value)),
      helpers_(std::move(helpers))
{
    store_.watch(base_, [this](const std::string& path) { on_change(path); });
}

ServedDevices::~ServedDevices()
{
    *self_ = nullptr;
    store_.unwatch(base_);
}

void ServedDevices::on_change(const std::string& path)
{
    const auto device = device_at(base_, path);
    if (!device)
        return scan();
    const std::string node = path.size() > device->folder.size() ? path.substr(device->folder.size() + 1) : "";
    if (matters(node))
        look_soon(*device);
}

void ServedDevices::scan()
{
    for (const std::string& kind : store_.list(base_))
        for (const std::string& guest : store_.list(base_ + "/" + kind))
            for (const std::string& number : store_.list(fmt::format("{}/{}/{}", base_, kind, guest)))
                if (const auto device = device_at(base_, fmt::format("{}/{}/{}/{}", base_, kind, guest, number)))
                    look_soon(*device);
}

/// A transaction of the toolstack's changes much at once: one look is enough.
void ServedDevices::look_soon(const ServedDevice& device)
{
    if (to_look_at_.empty())
        loop_.defer([devices = self_] {
            if (!*devices)
                return;
            for (const std::string& folder : std::exchange((*devices)->to_look_at_, {}))
                (*devices)->look_at(*device_at((*devices)->base_, folder));
        });
    to_look_at_.insert(device.folder);
}

void ServedDevices::look_at(const ServedDevice& device)
{
    const auto state = store_.read(device.folder + "/state");
    if (!state)
        return;
    if (*state != state_closed)
        return serve(device, *state);
    if (store_.read(device.folder + "/online") != "0")
        return; // it may come back
    store_.remove(device.folder);
    log("{} {}/{}: ended, and removed", device.kind, device.guest.value, device.number);
}

Provision ServedDevices::whose(const ServedDevice& device)
{
    if (store_.read(device.folder + "/" + backends::backend_type_node) == backends::linux_backend_type)
        return Provision::linux;
    return helpers_.provide(device.kind);
}

void ServedDevices::serve(const ServedDevice& device, const std::string& state)
{
    switch (whose(device)) {
    case Provision::ours:
        return;
    case Provision::linux:
        return helpers_.set_up_for_linux(device);
    case Provision::nobody:
        break;
    }
    if (state != state_initialising)
        return;
    const std::string why = fmt::format("there is no backend for devices of type '{}' in this domain", device.kind);
    log("{} {}/{}: {}", device.kind, device.guest.value, device.number, why);
    store_.update(device.folder,
                  {{"hotplug-error", why}, {"error", why}, {"hotplug-status", "error"}, {"state", state_closed}});
}

}
