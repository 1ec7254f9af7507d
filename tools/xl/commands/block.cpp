// block-attach, block-detach, block-list, cd-insert, cd-eject.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/commands/device_list.hpp"
#include "tools/xl/config/domain_config.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/environment.hpp"
#include "tools/xl/failure.hpp"
#include "tools/xl/rows.hpp"

#include <array>
#include <memory>

namespace xylem::xl::commands {

namespace {

std::string joined(const std::vector<std::string>& words)
{
    return fmt::format("{}", fmt::join(words, ","));
}

void attach(const std::string& name, const std::vector<std::string>& words)
{
    config::DiskSpec disk = config::parse_disk_spec(joined(words));
    config::apply_defaults(disk, xl_conf().defaults);
    Session session;
    const DomId guest = id_of(resolve_guest(session, name, "attach a disk to"));
    const DomId backend = resolve_backend(session, disk.backend_domain, fmt::format("disk '{}'", disk.vdev), guest);
    const DiskTarget target = check_disk(session.store, disk, backend);
    for (const Device& device : devices_of(session.store, guest))
        if (device.kind == "vbd" && device.number == disk.number)
            fail("domain '{}' has a disk '{}' already", name, disk.vdev);
    attach_device(session.store,
                  [&](xenstore::StoreView& store) { return write_disk(store, guest, disk, target, Bootable::no); });
}

void detach(const std::string& name, const std::string& vdev, bool force)
{
    const auto number = config::virtual_device_number(vdev);
    if (!number)
        fail("'{}' is no virtual device; expected one like xvda", vdev);
    Session session;
    const DomId guest = id_of(resolve_guest(session, name, "detach a disk from"));
    for (const Device& device : devices_of(session.store, guest))
        if (device.kind == "vbd" && device.number == *number) {
            remove_devices(session.store, {device}, force ? Removal::forced : Removal::polite);
            return;
        }
    fail("domain '{}' has no disk '{}'", name, vdev);
}

/// What the guest wrote of its disk, whatever it wrote.
struct FromGuest {
    std::string state;
    std::string event_channel;
    std::string ring;
};

FromGuest look_at(xenstore::Client& store, const Device& device)
{
    const std::string base = device.frontend();
    const auto values = store.find_each(std::vector{base + "/state", base + "/event-channel", base + "/ring-ref"});
    return {values[0].value_or("-1"), values[1].value_or("-1"), values[2].value_or("-1")};
}

Row row_of(const Device& device, const FromGuest& found)
{
    return {{"domid", u64{device.guest.value}},
            {"vdev", u64{device.number}},
            {"backend_domid", u64{device.backend_domain.value}},
            {"state", number_or_null(found.state)},
            {"event_channel", number_or_null(found.event_channel)},
            {"ring_ref", number_or_null(found.ring)},
            {"backend", device.backend()}};
}

std::string line_of(const Device& device, const FromGuest& found)
{
    return fmt::format("{:<5} {:<3} {:<6} {:<5} {:<6} {:<8} {:<30}", device.number, device.backend_domain.value,
                       device.guest.value, found.state, found.event_channel, found.ring, device.backend());
}

void list(const std::vector<std::string>& names, bool as_json)
{
    list_devices<FromGuest>(names, as_json,
                            fmt::format("{:<5} {:<3} {:<6} {:<5} {:<6} {:<8} {:<30}", "Vdev", "BE", "handle", "state",
                                        "evt-ch", "ring-ref", "BE-path"),
                            {[](const Device& device) { return device.kind == "vbd"; }, look_at, row_of, line_of});
}

/// As Xen's xl: a drive whose medium changes is a device model's, which a PV guest has not.
void change_medium(const std::string& name, const std::string& vdev)
{
    if (!config::virtual_device_number(vdev))
        fail("'{}' is no virtual device; expected one like xvdc", vdev);
    Session session;
    resolve_guest(session, name, "change a medium of");
    fail(
        "domain '{}' is a PV guest, and only the drive of an HVM guest changes its medium; block-detach takes the disk "
        "'{}' away, block-attach brings another",
        name, vdev);
}

}

void add_block(dom0::Command xl)
{
    auto to = std::make_shared<std::pair<std::string, std::vector<std::string>>>();
    dom0::Command command = add_domain_command(xl, "block-attach", "Create a new virtual block device", to->first);
    command.add_option("disk-spec", to->second, "as in a configuration's disk=, in one word or several").required();
    command.callback([to] { attach(to->first, to->second); });

    struct Detach {
        std::string domain;
        std::string vdev;
        bool force = false;
    };
    auto from = std::make_shared<Detach>();
    command = add_domain_command(xl, "block-detach", "Destroy a domain's virtual block device", from->domain);
    command.add_option("devid", from->vdev, "the disk: xvda, or its number").required();
    command.add_flag("--force", from->force, "do not ask the guest");
    command.callback([from] { detach(from->domain, from->vdev, from->force); });

    auto names = std::make_shared<std::vector<std::string>>();
    command = xl.add_subcommand("block-list", "List virtual block devices for a domain");
    command.add_option("domain", *names, "names or ids").required();
    auto as_json = std::make_shared<bool>(false);
    add_json_flag(command, *as_json);
    command.callback([=] { list(*names, *as_json); });

    auto drive = std::make_shared<std::array<std::string, 3>>();
    command = add_domain_command(xl, "cd-insert", "Insert a cdrom into a guest's cd drive", (*drive)[0]);
    command.add_option("vdev", (*drive)[1], "the drive").required();
    command.add_option("target", (*drive)[2], "the medium's image").required();
    command.callback([drive] { change_medium((*drive)[0], (*drive)[1]); });
    command = add_domain_command(xl, "cd-eject", "Eject a cdrom from a guest's cd drive", (*drive)[0]);
    command.add_option("vdev", (*drive)[1], "the drive").required();
    command.callback([drive] { change_medium((*drive)[0], (*drive)[1]); });
}

}
