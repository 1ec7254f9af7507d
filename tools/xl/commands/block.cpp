// block-attach, block-detach, block-list.
#include "tools/xl/commands/commands.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/failure.hpp"

#include <memory>

namespace xylem::xl::commands {

namespace {

std::string joined(const std::vector<std::string>& words)
{
    return fmt::format("{}", fmt::join(words, ","));
}

void attach(const std::string& name, const std::vector<std::string>& words)
{
    const config::DiskSpec disk = config::parse_disk_spec(joined(words));
    Session session;
    const DomId guest = id_of(resolve_guest(session, name, "attach a disk to"));
    const DiskTarget target = check_disk(session.store, disk);
    for (const Device& device : devices_of(session.store, guest))
        if (device.kind == "vbd" && device.number == disk.number)
            fail("domain '{}' has a disk '{}' already", name, disk.vdev);
    std::vector<Device> devices;
    session.store.transact(
        [&](xenstore::StoreView& store) { devices = {write_disk(store, guest, disk, target, Bootable::no)}; });
    try {
        wait_for_backends(session.store, devices);
    } catch (const std::exception&) {
        remove_devices(session.store, devices, Removal::forced);
        throw;
    }
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

void list(const std::vector<std::string>& names)
{
    Session session;
    const std::vector<dom0::DomainInfo> domains = select(session, names);
    fmt::print("{:<5} {:<3} {:<6} {:<5} {:<6} {:<8} {:<30}\n", "Vdev", "BE", "handle", "state", "evt-ch", "ring-ref",
               "BE-path");
    for (const dom0::DomainInfo& info : domains)
        for (const Device& device : devices_of(session.store, id_of(info))) {
            if (device.kind != "vbd")
                continue;
            const auto from_guest = [&](const char* node) {
                return session.store.find(device.frontend() + "/" + node).value_or("-1");
            };
            fmt::print("{:<5} {:<3} {:<6} {:<5} {:<6} {:<8} {:<30}\n", device.number, 0, device.guest.value,
                       from_guest("state"), from_guest("event-channel"), from_guest("ring-ref"), device.backend());
        }
}

}

void add_block(CLI::App& xl)
{
    auto to = std::make_shared<std::pair<std::string, std::vector<std::string>>>();
    CLI::App* command = add_domain_command(xl, "block-attach", "Create a new virtual block device", to->first);
    command->add_option("disk-spec", to->second, "as in a configuration's disk=, in one word or several")->required();
    command->callback([to] { attach(to->first, to->second); });

    struct Detach {
        std::string domain;
        std::string vdev;
        bool force = false;
    };
    auto from = std::make_shared<Detach>();
    command = add_domain_command(xl, "block-detach", "Destroy a domain's virtual block device", from->domain);
    command->add_option("devid", from->vdev, "the disk: xvda, or its number")->required();
    command->add_flag("--force", from->force, "do not ask the guest");
    command->callback([from] { detach(from->domain, from->vdev, from->force); });

    auto names = std::make_shared<std::vector<std::string>>();
    command = xl.add_subcommand("block-list", "List virtual block devices for a domain");
    command->add_option("domain", *names, "names or ids")->required();
    command->callback([names] { list(*names); });
}

}
