// Making devices: what of device.hpp checks specifications against the machine, and writes them to the store.
#include "backends/lib/xenbus.hpp"
#include "dom0/lib/fd.hpp"
#include "dom0/lib/routed_interface.hpp"
#include "tools/xl/device.hpp"
#include "tools/xl/domain_nodes.hpp"
#include "tools/xl/failure.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace xylem::xl {

namespace {

using config::DiskSpec;
using config::VifSpec;
using xenstore::StoreView;

/// Those whose work xl and the backends do themselves.
bool is_standard_script(const std::string& script, const char* standard)
{
    return script.empty() || script == standard || script == std::string("/etc/xen/scripts/") + standard;
}

/// How the backend is told of a format other than raw.
constexpr std::string_view qcow2_prefix = "qcow2:";

/// Whether two paths, perhaps by different names, lead to the same bytes. Of a driver domain's we see the names alone.
bool same_storage(const std::string& a, const std::string& b, DomId backend_domain)
{
    if (backend_domain != dom0_id)
        return a == b;
    struct stat first {};
    struct stat second {};
    if (stat(a.c_str(), &first) < 0 || stat(b.c_str(), &second) < 0)
        return a == b;
    if (S_ISBLK(first.st_mode) && S_ISBLK(second.st_mode))
        return first.st_rdev == second.st_rdev;
    return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// Two guests that write to one file system destroy it.
void check_not_shared(xenstore::Client& store, const DiskSpec& disk, DomId backend_domain)
{
    const std::string base = domain_path(backend_domain) + "/backend/vbd";
    for (const std::string& guest : store.list_if_exists(base))
        for (const std::string& device : store.list_if_exists(base + "/" + guest)) {
            const std::string path = base + "/" + guest + "/" + device;
            std::string params = store.find(path + "/params").value_or("");
            if (params.starts_with(qcow2_prefix))
                params.erase(0, qcow2_prefix.size());
            if (!same_storage(params, disk.target, backend_domain))
                continue;
            const bool written = store.find(path + "/mode") == "w";
            if (written || !disk.read_only)
                fail("disk '{}' is in use by domain {}{}", disk.target, guest,
                     written ? ", which may write to it" : "");
        }
}

void check_served(const DiskSpec& disk)
{
    if (disk.format != "raw" && disk.format != "qcow2")
        fail("disk '{}': the format '{}' is not served yet; 'raw' and 'qcow2' are", disk.target, disk.format);
    if (disk.format != "raw" && disk.backend_type == "phy")
        fail("disk '{}': backendtype=phy serves raw devices, not the format '{}'", disk.target, disk.format);
    if (!is_standard_script(disk.script, "block"))
        fail("disk '{}': the script '{}' is not served yet; disks are attached without scripts", disk.target,
             disk.script);
    if (disk.target.empty())
        fail("disk '{}': an empty drive is not served yet", disk.vdev);
}

void write_all(StoreView& store, const std::string& base,
               const std::vector<std::pair<std::string_view, std::string>>& nodes)
{
    for (const auto& [name, value] : nodes)
        store.write(fmt::format("{}/{}", base, name), value);
}

using Nodes = std::vector<std::pair<std::string_view, std::string>>;

/// The three directories of a device: the backend's, the frontend's, and xl's record.
void write_device(StoreView& store, const Device& device, const Nodes& backend, const Nodes& frontend)
{
    Nodes common{
        {"frontend", device.frontend()},
        {"frontend-id", std::to_string(device.guest.value)},
        {"online", "1"},
        {"state", "1"},
    };
    if (device.by_linux)
        common.emplace_back(backends::backend_type_node, backends::linux_backend_type);
    common.insert(common.end(), backend.begin(), backend.end());

    store.make(device.record());
    write_all(store, device.record(), {{"backend", device.backend()}});
    write_all(store, device.record(), common);

    store.make(device.frontend());
    store.set_permissions(device.frontend(), owned_by(device.guest, device.backend_domain));
    write_all(
        store, device.frontend(),
        {{"backend", device.backend()}, {"backend-id", std::to_string(device.backend_domain.value)}, {"state", "1"}});
    write_all(store, device.frontend(), frontend);

    store.make(device.backend());
    store.set_permissions(device.backend(), served_by(device.backend_domain, device.guest));
    write_all(store, device.backend(), common);
}

/// What Linux takes as an interface's name (dev_valid_name), and no pattern, of which it would make a name of its own.
void check_interface_name(const std::string& name, DomId backend_domain)
{
    if (name.empty())
        return;
    if (name.size() >= IFNAMSIZ || name.find_first_of("/:% \t\n\v\f\r") != std::string::npos || name == "." ||
        name == "..")
        fail("'{}' cannot be an interface's name; expected at most {} characters, none of them a blank or one of / : %",
             name, IFNAMSIZ - 1);
    if (backend_domain == dom0_id && access(("/sys/class/net/" + name).c_str(), F_OK) == 0)
        fail("there is an interface '{}' already; expected a vifname that is free", name);
}

/// As libxl writes a vif's rate.
std::string rate_node(const config::Rate& rate)
{
    return fmt::format("{},{}", rate.bytes_per_interval, rate.interval_microseconds);
}

config::MacAddress new_mac()
{
    config::MacAddress mac{0x00, 0x16, 0x3E}; // Xen's own range
    dom0::fill_randomly(std::as_writable_bytes(std::span(mac).subspan(3)));
    mac[3] &= 0x7F;
    return mac;
}

}

static void check_not_given_twice(const std::vector<DiskSpec>& disks, const std::vector<DomId>& backend_domains)
{
    for (std::size_t i = 0; i < disks.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (!(disks[i].read_only && disks[j].read_only) && backend_domains[i] == backend_domains[j] &&
                same_storage(disks[i].target, disks[j].target, backend_domains[i]))
                fail("disk '{}' is given twice, as {} and as {}, and one may write to it", disks[i].target,
                     disks[j].vdev, disks[i].vdev);
}

std::vector<DiskTarget> check_disks(xenstore::Client& store, const std::vector<DiskSpec>& disks,
                                    const std::vector<DomId>& backend_domains)
{
    std::vector<DiskTarget> targets;
    for (std::size_t i = 0; i < disks.size(); ++i)
        targets.push_back(check_disk(store, disks[i], backend_domains[i]));
    check_not_given_twice(disks, backend_domains);
    return targets;
}

/// What dom0 can see of a disk.
static DiskTarget check_target(const DiskSpec& disk)
{
    struct stat about {};
    if (stat(disk.target.c_str(), &about) < 0)
        fail("cannot use disk '{}': {}", disk.target, std::strerror(errno));
    if (!S_ISREG(about.st_mode) && !S_ISBLK(about.st_mode))
        fail("cannot use disk '{}': it is neither a file nor a block device", disk.target);
    if (access(disk.target.c_str(), disk.read_only ? R_OK : R_OK | W_OK) < 0)
        fail("cannot use disk '{}' for {}: {}", disk.target, disk.read_only ? "reading" : "writing",
             std::strerror(errno));
    if (S_ISREG(about.st_mode) && about.st_size < 512)
        fail("cannot use disk '{}': it has less than one sector", disk.target);
    if (S_ISREG(about.st_mode) && disk.backend_type == "phy")
        fail("disk '{}' is no block device, which backendtype=phy needs; losetup makes one of a file", disk.target);
    return {S_ISBLK(about.st_mode), about.st_rdev};
}

DiskTarget check_disk(xenstore::Client& store, const DiskSpec& disk, DomId backend_domain)
{
    check_served(disk);
    DiskTarget target;
    if (backend_domain == dom0_id)
        target = check_target(disk);
    target.backend_domain = backend_domain;
    check_not_shared(store, disk, backend_domain);
    return target;
}

static void check_bridge(const VifSpec& vif, DomId backend_domain)
{
    const std::string bridge = vif.bridge.empty() ? default_bridge : vif.bridge;
    if (!vif.gateway_device.empty())
        fail("'gatewaydev' is for routed interfaces, which have script=vif-route; this one joins a bridge");
    if (backend_domain != dom0_id)
        return; // its bridges are its own affair
    if (bridge.find('/') != std::string::npos || access(("/sys/class/net/" + bridge + "/bridge").c_str(), F_OK) < 0)
        fail("there is no bridge '{}' for the guest's interface", bridge);
}

static std::string gateway_device_of(const VifSpec& vif)
{
    return vif.gateway_device.empty() ? dom0::default_gateway_device : vif.gateway_device;
}

static void check_route(const VifSpec& vif, DomId backend_domain)
{
    const std::string device = gateway_device_of(vif);
    if (backend_domain == dom0_id && !dom0::address_of_interface(device))
        fail("there is no interface '{}' with an IPv4 address, by which the guest's is to be routed to; name one with "
             "gatewaydev=",
             device);
    try {
        dom0::parse_networks(vif.ip);
    } catch (const std::runtime_error& error) {
        fail("the interface's ip: {}", error.what());
    }
}

void check_vif(const VifSpec& vif, DomId backend_domain)
{
    const bool routed = dom0::is_routing_script(vif.script);
    if (!routed && !is_standard_script(vif.script, "vif-bridge"))
        fail("the interface script '{}' is not served yet; vif-bridge and vif-route are, without scripts", vif.script);
    check_interface_name(vif.name, backend_domain);
    if (routed)
        check_route(vif, backend_domain);
    else
        check_bridge(vif, backend_domain);
}

void check_channel(const config::ChannelSpec& channel)
{
    const std::filesystem::path path = channel.socket_path;
    std::error_code none; // what cannot be looked at is for the daemon to say
    if (channel.socket_path.empty())
        return;
    if (!std::filesystem::is_directory(path.parent_path(), none))
        fail("cannot make the channel's socket '{}': there is no folder '{}'", channel.socket_path,
             path.parent_path().string());
    const auto there = std::filesystem::symlink_status(path, none).type();
    if (there != std::filesystem::file_type::not_found && there != std::filesystem::file_type::socket)
        fail("cannot make the channel's socket '{}': there is a file already", channel.socket_path);
}

VifSpec complete(VifSpec vif, u32 devid)
{
    if (!vif.mac)
        vif.mac = new_mac();
    if (dom0::is_routing_script(vif.script))
        vif.bridge.clear(); // xl.conf may have a default for those who join one
    else if (vif.bridge.empty())
        vif.bridge = default_bridge;
    if (!vif.devid)
        vif.devid = devid;
    return vif;
}

Device write_disk(StoreView& store, DomId guest, const DiskSpec& disk, const DiskTarget& target, Bootable bootable)
{
    const bool by_linux = disk.backend_type == "phy" || (disk.backend_type.empty() && disk.prefers_linux &&
                                                         target.is_block_device && disk.format == "raw");
    const Device device{"vbd", guest, disk.number, target.backend_domain, by_linux};
    // A driver domain's own xl finds out what its target is.
    const bool is_device = device.is_served_by_dom0() ? target.is_block_device : disk.format == "raw";
    const std::string kind = disk.cdrom ? "cdrom" : "disk";
    Nodes backend{
        {"params", disk.format == "qcow2" ? std::string(qcow2_prefix) + disk.target : disk.target},
        {"removable", disk.cdrom ? "1" : "0"},
        {"bootable", bootable == Bootable::yes ? "1" : "0"},
        {"dev", disk.vdev},
        {"type", is_device ? "phy" : "file"},
        {"mode", disk.read_only ? "r" : "w"},
        {"device-type", kind},
        {"discard-enable", disk.discard.value_or(true) ? "1" : "0"},
        {"specification", "xen"},
    };
    if (!device.is_served_by_dom0())
        backend.emplace_back("script", "/etc/xen/scripts/block"); // for Xen's xl devd
    if (disk.direct_io_safe)
        backend.emplace_back("direct-io-safe", "1");
    if (disk.max_iops)
        backend.emplace_back("limit-iops", std::to_string(*disk.max_iops));
    if (disk.max_rate)
        backend.emplace_back("limit-rate", rate_node(*disk.max_rate));
    // Linux's own backend opens what this names; no script has to find it out.
    if (target.is_block_device && disk.format == "raw")
        backend.emplace_back("physical-device",
                             fmt::format("{:x}:{:x}", major(target.device_number), minor(target.device_number)));
    write_device(store, device, backend,
                 {{"virtual-device", std::to_string(disk.number)},
                  {"device-type", kind},
                  {"trusted", disk.trusted.value_or(true) ? "1" : "0"},
                  {"protocol", "x86_64-abi"}});
    return device;
}

Device write_vif(StoreView& store, DomId guest, const VifSpec& vif, DomId backend_domain)
{
    const Device device{"vif", guest, *vif.devid, backend_domain, vif.backend_type == "linux"};
    const std::string number = std::to_string(*vif.devid);
    const bool routed = dom0::is_routing_script(vif.script);
    Nodes backend{
        {"script", routed ? "/etc/xen/scripts/vif-route" : "/etc/xen/scripts/vif-bridge"},
        {"mac", config::text_of(*vif.mac)},
        {"handle", number},
        {"type", "vif"},
    };
    if (routed)
        backend.emplace_back("gatewaydev", gateway_device_of(vif));
    else
        backend.emplace_back("bridge", vif.bridge);
    if (vif.mac_filter)
        backend.emplace_back("mac-filter", "1");
    if (!vif.ip.empty())
        backend.emplace_back("ip", vif.ip);
    if (!vif.name.empty())
        backend.emplace_back("vifname", vif.name);
    if (vif.rate)
        backend.emplace_back("rate", rate_node(*vif.rate));
    const std::string mtu = std::to_string(vif.mtu.value_or(1500));
    if (vif.mtu)
        backend.emplace_back("mtu", mtu);
    write_device(
        store, device, backend,
        {{"handle", number}, {"mac", config::text_of(*vif.mac)}, {"trusted", vif.trusted ? "1" : "0"}, {"mtu", mtu}});
    store.set_permissions(device.frontend() + "/mtu", read_only_for(guest));
    return device;
}

Device write_channel(StoreView& store, DomId guest, const config::ChannelSpec& channel, u32 number)
{
    const Device device{"console", guest, number};
    const bool on_socket = !channel.socket_path.empty();
    Nodes backend{{"name", channel.name}, {"connection", on_socket ? "socket" : "pty"}, {"protocol", "vt100"}};
    if (on_socket)
        backend.emplace_back("path", channel.socket_path);
    // What the daemon and xl console read there is not the guest's to write.
    const Nodes read_only{{"name", channel.name},
                          {"type", "xenconsoled"},
                          {"output", on_socket ? fmt::format("chardev:libxl-channel{}", number) : "pty"},
                          {"tty", ""},
                          {"limit", std::to_string(console_limit)}};
    write_device(store, device, backend, {{"protocol", "vt100"}});
    write_all(store, device.frontend(), read_only);
    for (const auto& [name, value] : read_only)
        store.set_permissions(fmt::format("{}/{}", device.frontend(), name), read_only_for(guest));
    return device;
}

}
