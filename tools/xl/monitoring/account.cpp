// See account.hpp.
#include "tools/xl/monitoring/account.hpp"

#include "hypervisor/abi/domctl.hpp"
#include "hypervisor/abi/sched.hpp"

#include <algorithm>
#include <cctype>
#include <fmt/format.h>
#include <fstream>

namespace xylem::xl {

namespace {

constexpr std::size_t longest_text = 240; ///< of one line; a guest may say more
constexpr const char* hypervisor_source = "hypervisor";
constexpr const char* console_source = "console";
constexpr const char* panic_mark = "Kernel panic"; ///< in Linux's last account of itself

bool is_word(char c)
{
    return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

/// Whether `prefix` and then the number stand in the line, as a word that may go on as `may_follow` says.
bool has_number(std::string_view line, std::string_view prefix, u16 number, std::string_view may_follow)
{
    const std::string wanted = fmt::format("{}{}", prefix, number);
    for (auto at = line.find(wanted); at != std::string_view::npos; at = line.find(wanted, at + 1)) {
        const auto end = at + wanted.size();
        const bool begins = at == 0 || !is_word(line[at - 1]);
        const bool ends = end == line.size() || !is_word(line[end]) || may_follow.find(line[end]) != may_follow.npos;
        if (begins && ends)
            return true;
    }
    return false;
}

/// A guest's words do not steer a terminal.
std::string cleaned(std::string_view text)
{
    std::string clean;
    for (const char c : text.substr(0, longest_text))
        if (c != '\r')
            clean += std::iscntrl(static_cast<unsigned char>(c)) ? '?' : c;
    return clean;
}

/// Calls `visit` with each line that is not empty.
template <typename Visit> void each_line(std::string_view text, Visit visit)
{
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (line.find_first_not_of(" \t\r") != std::string_view::npos)
            visit(line);
    }
}

std::vector<Event> last_of(std::vector<Event> events, std::size_t most)
{
    if (events.size() > most)
        events.erase(events.begin(), events.end() - static_cast<std::ptrdiff_t>(most));
    return events;
}

bool is_digit_at(std::string_view text, std::size_t at)
{
    return std::isdigit(static_cast<unsigned char>(text[at])) != 0;
}

/// "2026-11-27 03:10:11 " opens the line.
bool begins_with_time(std::string_view line)
{
    static constexpr std::string_view form = "dddd-dd-dd dd:dd:dd ";
    if (line.size() < form.size())
        return false;
    for (std::size_t i = 0; i < form.size(); ++i)
        if (form[i] == 'd' ? !is_digit_at(line, i) : line[i] != form[i])
            return false;
    return true;
}

void print_events(std::string& text, const char* title, const std::vector<Event>& events, auto wanted)
{
    bool titled = false;
    for (const Event& event : events) {
        if (!wanted(event))
            continue;
        if (!titled)
            text += fmt::format("\n{}:\n", title);
        titled = true;
        text += event.time.empty() ? fmt::format("  {}\n", event.text)
                                   : fmt::format("  {}  {}: {}\n", event.time, event.source, event.text);
    }
}

}

std::string_view name_of(abi::io::XenbusState state)
{
    using enum abi::io::XenbusState;
    switch (state) {
    case unknown:
        return "absent";
    case initialising:
        return "initialising";
    case init_wait:
        return "ready";
    case initialised:
        return "initialised";
    case connected:
        return "connected";
    case closing:
        return "closing";
    case closed:
        return "closed";
    case reconfiguring:
        return "reconfiguring";
    case reconfigured:
        return "reconfigured";
    }
    return "in no known state";
}

std::string meaning_of(abi::io::XenbusState backend, abi::io::XenbusState frontend, const std::string& error)
{
    using enum abi::io::XenbusState;
    if (!error.empty())
        return fmt::format("it failed: {}", error);
    if (backend == connected && frontend == connected)
        return "it works";
    if (backend == unknown)
        return "it has no backend: it is being made or taken away";
    if (backend == initialising)
        return "no backend has taken it up yet: look whether the service runs that serves it";
    if (backend == closed)
        return frontend == closed || frontend == unknown ? "it is closed" : "its backend has closed it";
    if (backend == closing || frontend == closing)
        return frontend == closed || frontend == unknown ? "its backend is closing it"
                                                         : "it is being taken away: the guest has yet to let go";
    if (frontend == closed)
        return "the guest has closed it";
    if (backend == init_wait && (frontend == unknown || frontend == initialising))
        return "the backend is ready, and waits for the guest's driver";
    if (frontend == initialised)
        return "the guest is ready, and waits for the backend to connect";
    if (backend == connected)
        return "the backend is connected, and waits for the guest to go on";
    return "its two ends are on their way to each other";
}

std::string verdict_of(u32 flags, u64 pages)
{
    const auto reason = static_cast<abi::ShutdownReason>(flags >> abi::dominf_shutdownshift & abi::dominf_shutdownmask);
    if (flags & abi::dominf_dying)
        return pages == 0 ? "is being taken apart"
                          : fmt::format("is being taken apart, and waits for those who still use {} pages of it: "
                                        "a backend, or a guest that has them by grants",
                                        pages);
    if (flags & abi::dominf_shutdown)
        switch (reason) {
        case abi::ShutdownReason::poweroff:
            return "powered itself off";
        case abi::ShutdownReason::reboot:
            return "asked for a new start";
        case abi::ShutdownReason::suspend:
            return "is suspended";
        case abi::ShutdownReason::crash:
            return "has crashed";
        case abi::ShutdownReason::watchdog:
            return "was ended by its watchdog timer, which it had not wound up again";
        case abi::ShutdownReason::soft_reset:
            return "asked for a soft reset";
        default:
            return fmt::format("has shut down for a reason of its own, {}", static_cast<unsigned>(reason));
        }
    if (flags & abi::dominf_paused)
        return "is paused: xl unpause lets it run";
    return flags & abi::dominf_running ? "runs" : "waits for events";
}

std::string verdict_with(std::string verdict, const std::vector<Event>& events)
{
    if (!verdict.starts_with("has crashed"))
        return verdict;
    std::string why;
    for (const Event& event : events) {
        const auto panic = event.text.find(panic_mark);
        const auto crash = event.text.find(" crashed: ");
        if (event.source == console_source && panic != std::string::npos)
            why = event.text.substr(panic);
        else if (event.source == hypervisor_source && crash != std::string::npos && why.empty())
            why = event.text.substr(crash + std::string_view(" crashed: ").size());
    }
    return why.empty() ? verdict : verdict + ": " + why;
}

bool mentions(std::string_view line, u16 domain)
{
    const auto has_device = [&](const char* kind) {
        return line.find(fmt::format("{} {}/", kind, domain)) != line.npos;
    };
    return has_number(line, "d", domain, "v") || has_number(line, "domain ", domain, "") ||
           has_number(line, "Domain ", domain, "") || has_number(line, "id ", domain, "") || has_device("vbd") ||
           has_device("vif") || has_device("console");
}

Event event_of(std::string_view source, std::string_view line)
{
    constexpr std::size_t time_length = 19;
    if (!begins_with_time(line))
        return {"", std::string(source), cleaned(line)};
    std::string_view text = line.substr(time_length + 1);
    if (text.starts_with(source) && text.substr(source.size()).starts_with(": "))
        text.remove_prefix(source.size() + 2);
    return {std::string(line.substr(0, time_length)), std::string(source), cleaned(text)};
}

std::vector<Event> events_about(u16 domain, std::string_view source, std::string_view log, std::size_t most)
{
    std::vector<Event> events;
    each_line(log, [&](std::string_view line) {
        if (mentions(line, domain))
            events.push_back(event_of(source, line));
    });
    return last_of(std::move(events), most);
}

std::vector<Event> last_words(std::string_view console, std::size_t most)
{
    std::vector<Event> events;
    each_line(console, [&](std::string_view line) { events.push_back({"", console_source, cleaned(line)}); });
    const auto is_panic = [](const Event& event) { return event.text.find(panic_mark) != std::string::npos; };
    const auto panic = std::find_if(events.rbegin(), events.rend(), is_panic);
    if (panic != events.rend() && panic - events.rbegin() >= static_cast<std::ptrdiff_t>(most))
        events[events.size() - most] = *panic;
    return last_of(std::move(events), most);
}

std::string tail_of(const std::string& path, std::size_t bytes)
{
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file)
        return {};
    const auto size = static_cast<std::size_t>(file.tellg());
    const std::size_t from = size > bytes ? size - bytes : 0;
    std::string text(size - from, '\0');
    file.seekg(static_cast<std::streamoff>(from));
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
    if (from > 0)
        text.erase(0, std::min(text.find('\n'), text.size() - 1) + 1);
    return text;
}

std::string text_of(const Account& account)
{
    std::string text = fmt::format("Domain '{}', id {}, {}.\n", account.name, account.domain, account.verdict);
    if (account.ended)
        text += fmt::format("That was noted at {}.\n", account.time);
    if (!account.followed.empty())
        text += fmt::format("What followed: {}.\n", account.followed);
    if (!account.devices.empty())
        text += account.ended ? "\nIts devices at that time:\n" : "\nIts devices:\n";
    for (const DeviceAccount& device : account.devices)
        text += fmt::format("  {}: {} (backend {}, guest {})\n", device.name, device.meaning, device.backend,
                            device.frontend);
    std::vector<Event> events = account.events;
    std::ranges::stable_sort(events, {}, &Event::time);
    print_events(text, "What was noted, in order of time", events, [](const Event& e) { return !e.time.empty(); });
    print_events(text, "The hypervisor's log", events,
                 [](const Event& e) { return e.time.empty() && e.source == hypervisor_source; });
    print_events(text, "The backends' logs", events, [](const Event& e) {
        return e.time.empty() && e.source != hypervisor_source && e.source != console_source;
    });
    print_events(text, "The last words on its console", events,
                 [](const Event& e) { return e.source == console_source && e.time.empty(); });
    return text;
}

}
