// See explain.hpp.
#include "tools/xl/monitoring/explain.hpp"

#include "tools/xl/device.hpp"
#include "tools/xl/monitoring/kept.hpp"
#include "tools/xl/paths.hpp"

#include <charconv>
#include <ctime>

namespace xylem::xl {

namespace {

constexpr std::size_t tail_bytes = 16 << 10; ///< of each log that is looked into
constexpr std::size_t most_events = 12;      ///< of each source

abi::io::XenbusState state_at(Session& session, const std::string& folder)
{
    const std::string text = session.store.find(folder + "/state").value_or("0");
    unsigned number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number <= 8 ? static_cast<abi::io::XenbusState>(number) : abi::io::XenbusState::unknown;
}

/// What either end has written of its failure: our backends into their folder, Linux's frontends below "error".
std::string error_of(Session& session, const Device& device)
{
    for (const std::string& path :
         {device.backend() + "/error", device.backend() + "/hotplug-error",
          fmt::format("{}/error/device/{}/{}/error", domain_path(device.guest), device.kind, device.number)})
        if (const auto error = session.store.find(path); error && !error->empty())
            return event_of("", *error).text;
    return {};
}

/// By xl's own record: a driver domain may write what it likes into its backends' folders.
std::string what_it_is(Session& session, const Device& device)
{
    const auto node = [&](const char* name) { return session.store.find(device.record() + "/" + name).value_or(""); };
    if (device.kind == "vbd")
        return fmt::format("disk {} ({})", node("dev").empty() ? std::to_string(device.number) : node("dev"),
                           node("params"));
    if (device.kind == "vif")
        return fmt::format("interface {} ({}, {})", device.number, node("mac"),
                           node("bridge").empty() ? "routed by way of " + node("gatewaydev") : "on " + node("bridge"));
    if (device.kind == "console")
        return fmt::format("channel {} ({}, {})", device.number, node("name"),
                           node("path").empty() ? "a pty" : node("path"));
    return fmt::format("{} {}", device.kind, device.number);
}

DeviceAccount tell_of_device(Session& session, const Device& device)
{
    const auto backend = state_at(session, device.backend());
    const auto frontend = state_at(session, device.frontend());
    std::string what = what_it_is(session, device);
    if (!device.is_served_by_dom0())
        what += fmt::format(" of domain {}", device.backend_domain.value);
    return {std::move(what), std::string(name_of(backend)), std::string(name_of(frontend)),
            meaning_of(backend, frontend, error_of(session, device))};
}

void append(std::vector<Event>& events, std::vector<Event> more)
{
    events.insert(events.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<Event> events_of(Session& session, u16 domain, const std::string& name)
{
    const std::string logs = "/var/log/xen/";
    std::vector<Event> events =
        events_about(domain, "xl", tail_of(logs + "xl-" + name + ".log", tail_bytes), most_events);
    for (const char* service : {"xylem-blkback", "xylem-netback", "xenconsoled"})
        append(events, events_about(domain, service, tail_of(logs + service + ".log", tail_bytes), most_events));
    append(events, events_about(domain, "hypervisor", session.hypervisor.read_log(dom0::Hypervisor::ClearLog::no),
                                most_events));
    append(events, last_words(tail_of(logs + "console/guest-" + name + ".log", tail_bytes), most_events));
    return events;
}

}

std::string time_text()
{
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    localtime_r(&now, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%F %T", &parts);
    return text;
}

Account tell_of(Session& session, const dom0::DomainInfo& info)
{
    Account account;
    account.name = name_or_null(session, id_of(info));
    account.uuid = uuid_text(info.handle);
    account.domain = info.domain;
    account.time = time_text();
    for (const Device& device : devices_of(session.store, id_of(info)))
        if (!device.is_first_console())
            account.devices.push_back(tell_of_device(session, device));
    account.events = events_of(session, info.domain, account.name);
    account.verdict = verdict_with(verdict_of(info.flags, info.tot_pages), account.events);
    return account;
}

std::string keep_account(Session& session, DomId domain, const std::string& followed) noexcept
try {
    const auto info = session.hypervisor.domain(domain);
    if (!info)
        return "it is gone";
    Account account = tell_of(session, *info);
    account.ended = true;
    if (!(info->flags & abi::dominf_shutdown))
        account.verdict = "lived until it was ended from outside";
    account.followed = followed;
    keep(kept_folder, account);
    return {};
} catch (const std::exception& error) {
    return error.what();
}

}
