// See channel.hpp.
#include "tools/xl/commands/channel.hpp"

#include "tools/xl/commands/commands.hpp"
#include "tools/xl/commands/device_list.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/rows.hpp"

#include <memory>

namespace xylem::xl::commands {

namespace {

bool is_channel(const Device& device)
{
    return device.kind == "console" && !device.is_first_console();
}

struct Found {
    std::string name;
    std::string connection;
    std::string path; ///< of the pty or the socket
    // Written by the guest, whatever it wrote.
    std::string state;
    std::string event_channel;
    std::string ring;
};

Found look_at(xenstore::Client& store, const Device& device)
{
    const std::string record = device.record();
    const std::string front = device.frontend();
    auto values = store.find_each(std::vector{record + "/name", record + "/connection", record + "/path",
                                              front + "/tty", front + "/state", front + "/port", front + "/ring-ref"});
    const auto text = [&](std::size_t i, const char* otherwise) { return values[i].value_or(otherwise); };
    Found found{text(0, ""), text(1, ""), text(2, ""), text(4, "-1"), text(5, "-1"), text(6, "-1")};
    if (found.connection == "pty")
        found.path = text(3, "");
    return found;
}

/// Counted from 0, where the consoles that the channels are begin with 1.
u64 index_of(const Device& device)
{
    return device.number - u64{1};
}

Row row_of(const Device& device, const Found& found)
{
    return {{"domid", u64{device.guest.value}},
            {"devid", index_of(device)},
            {"backend_domid", u64{device.backend_domain.value}},
            {"name", found.name},
            {"state", number_or_null(found.state)},
            {"event_channel", number_or_null(found.event_channel)},
            {"ring_ref", number_or_null(found.ring)},
            {"connection", found.connection},
            {"path", found.path},
            {"backend", device.backend()}};
}

std::string line_of(const Device& device, const Found& found)
{
    return fmt::format("{:<3} {:<2} {:<5} {:<6} {:<8} {:<10} {:<30} ", index_of(device), device.backend_domain.value,
                       found.state, found.event_channel, found.ring, found.connection, found.path);
}

void list(const std::vector<std::string>& names, bool as_json)
{
    list_devices<Found>(names, as_json,
                        fmt::format("{:<3} {:<2} {:<5} {:<6} {:>8} {:<10} {:<30}", "Idx", "BE", "state", "evt-ch",
                                    "ring-ref", "connection", ""),
                        {is_channel, look_at, row_of, line_of});
}

}

void add_channel(dom0::Command xl)
{
    auto names = std::make_shared<std::vector<std::string>>();
    dom0::Command command = xl.add_subcommand("channel-list", "List virtual channel devices for a domain");
    command.add_option("domain", *names, "names or ids").required();
    auto as_json = std::make_shared<bool>(false);
    add_json_flag(command, *as_json);
    command.callback([=] { list(*names, *as_json); });
}

}
