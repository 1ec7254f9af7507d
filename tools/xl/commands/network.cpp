// network-attach, network-detach, network-list.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/commands/device_list.hpp"
#include "tools/xl/config/domain_config.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/rows.hpp"

#include <algorithm>
#include <memory>

namespace xylem::xl::commands {

namespace {

bool is_interface(const Device& device)
{
    return device.kind == "vif";
}

std::vector<Device> interfaces_of(xenstore::Client& store, DomId guest)
{
    std::vector<Device> devices = devices_of(store, guest);
    std::erase_if(devices, [](const Device& device) { return !is_interface(device); });
    return devices;
}

u32 free_devid(const std::vector<Device>& devices)
{
    u32 devid = 0;
    while (std::any_of(devices.begin(), devices.end(), [&](const Device& device) { return device.number == devid; }))
        ++devid;
    return devid;
}

void attach(const std::string& name, const std::vector<std::string>& words)
{
    config::VifSpec vif = config::parse_vif_spec(fmt::format("{}", fmt::join(words, ",")));
    config::apply_defaults(vif, xl_conf().defaults);
    Session session;
    const DomId guest = id_of(resolve_guest(session, name, "attach an interface to"));
    const DomId backend = resolve_backend(session, vif.backend_domain, "the interface", guest);
    check_vif(vif, backend);
    const std::vector<Device> present = interfaces_of(session.store, guest);
    for (const Device& device : present)
        if (vif.devid == device.number)
            fail("domain '{}' has an interface {} already", name, device.number);
    vif = complete(vif, free_devid(present));
    attach_device(session.store, [&](xenstore::StoreView& store) { return write_vif(store, guest, vif, backend); });
}

/// `which` is a devid or a MAC address.
void detach(const std::string& name, const std::string& which)
{
    Session session;
    const DomId guest = id_of(resolve_guest(session, name, "detach an interface from"));
    const auto mac = config::parse_mac(which);
    for (const Device& device : interfaces_of(session.store, guest)) {
        const bool meant = mac ? session.store.find(device.record() + "/mac") == config::text_of(*mac)
                               : which == std::to_string(device.number);
        if (!meant)
            continue;
        remove_devices(session.store, {device}, Removal::polite);
        return;
    }
    fail("domain '{}' has no interface '{}'", name, which);
}

/// What the guest wrote of its interface, whatever it wrote.
struct FromGuest {
    std::string state;
    std::string event_channel;
    std::string tx_ring;
    std::string rx_ring;
    std::string mac; ///< xl's own
};

FromGuest look_at(xenstore::Client& store, const Device& device)
{
    const std::string base = device.frontend();
    auto values = store.find_each(std::vector{base + "/state", base + "/event-channel", base + "/tx-ring-ref",
                                              base + "/rx-ring-ref", device.record() + "/mac"});
    const auto text = [&](std::size_t i) { return values[i].value_or("-1"); };
    return {text(0), text(1), text(2), text(3), values[4].value_or("")};
}

Row row_of(const Device& device, const FromGuest& found)
{
    return {{"domid", u64{device.guest.value}},
            {"devid", u64{device.number}},
            {"backend_domid", u64{device.backend_domain.value}},
            {"mac", found.mac},
            {"state", number_or_null(found.state)},
            {"event_channel", number_or_null(found.event_channel)},
            {"tx_ring_ref", number_or_null(found.tx_ring)},
            {"rx_ring_ref", number_or_null(found.rx_ring)},
            {"backend", device.backend()}};
}

std::string line_of(const Device& device, const FromGuest& found)
{
    return fmt::format("{:<3} {:<2} {:<17} {:>5} {:>5} {:>6} {:>5}/{:<11} {:<30}", device.number,
                       device.backend_domain.value, found.mac, device.number, found.state, found.event_channel,
                       found.tx_ring, found.rx_ring, device.backend());
}

void list(const std::vector<std::string>& names, bool as_json)
{
    list_devices<FromGuest>(names, as_json,
                            fmt::format("{:<3} {:<2} {:<17} {:<6} {:<5} {:<6} {:>5}/{:<10} {:<30}", "Idx", "BE",
                                        "Mac Addr.", "handle", "state", "evt-ch", "tx-", "rx-ring-ref", "BE-path"),
                            {is_interface, look_at, row_of, line_of});
}

}

void add_network(dom0::Command xl)
{
    auto to = std::make_shared<std::pair<std::string, std::vector<std::string>>>();
    dom0::Command command = add_domain_command(xl, "network-attach", "Create a new virtual network device", to->first);
    command.add_option("vif-spec", to->second, "as in a configuration's vif=, in one word or several");
    command.callback([to] { attach(to->first, to->second); });

    auto from = std::make_shared<std::pair<std::string, std::string>>();
    command = add_domain_command(xl, "network-detach", "Destroy a domain's virtual network device", from->first);
    command.add_option("devid|mac", from->second, "the interface's number or address").required();
    command.callback([from] { detach(from->first, from->second); });

    auto names = std::make_shared<std::vector<std::string>>();
    command = xl.add_subcommand("network-list", "List virtual network interfaces for a domain");
    command.add_option("domain", *names, "names or ids").required();
    auto as_json = std::make_shared<bool>(false);
    add_json_flag(command, *as_json);
    command.callback([=] { list(*names, *as_json); });
}

}
