// Paravirtual devices as xl sees them: pairs of directories in the store that a frontend and a backend watch.
#pragma once

#include "tools/xl/config/channel_spec.hpp"
#include "tools/xl/config/disk_spec.hpp"
#include "tools/xl/config/vif_spec.hpp"
#include "tools/xl/interrupt.hpp"
#include "tools/xl/paths.hpp"

#include <functional>

namespace xylem::xl {

struct Device {
    std::string kind; ///< "vbd", "vif" or "console", as in the store's paths
    DomId guest;
    u32 number;
    DomId backend_domain = dom0_id; ///< whose the backend is: dom0, or a driver domain
    bool by_linux = false;          ///< is to be served by Linux's own backend there; known while it is made

    std::string frontend() const;
    std::string backend() const;
    std::string record() const; ///< xl's own, which no guest can write
    std::string describe() const;

    /// The first console is none of xenbus's devices: it is there before there is a handshake.
    bool is_first_console() const { return kind == "console" && number == 0; }
    bool is_served_by_dom0() const { return backend_domain == dom0_id; }
};

/// What xl found out about a disk's target before it made anything. A driver domain's target only that domain sees.
struct DiskTarget {
    bool is_block_device = false;
    u64 device_number = 0; ///< of a block device
    DomId backend_domain = dom0_id;
};

/// @throws Failure  the target is missing, cannot be used so, or another guest writes to it
DiskTarget check_disk(xenstore::Client& store, const config::DiskSpec& disk, DomId backend_domain = dom0_id);
/// The same for all disks of one guest, which also may not share what one of them writes to. `backend_domains` are
/// theirs, in their order.
std::vector<DiskTarget> check_disks(xenstore::Client& store, const std::vector<config::DiskSpec>& disks,
                                    const std::vector<DomId>& backend_domains);
/// @throws Failure  the bridge or the gateway device is missing, or asks for what is not served
void check_vif(const config::VifSpec& vif, DomId backend_domain = dom0_id);

/// @throws Failure  the socket cannot be made where it is wanted
void check_channel(const config::ChannelSpec& channel);

inline constexpr const char* default_bridge = "xenbr0";

enum class Bootable { no, yes };
Device write_disk(xenstore::StoreView& store, DomId guest, const config::DiskSpec& disk, const DiskTarget& target,
                  Bootable bootable);
/// `vif` has its mac and devid.
Device write_vif(xenstore::StoreView& store, DomId guest, const config::VifSpec& vif, DomId backend_domain = dom0_id);

/// `number` is the console's that the channel is, from 1 on.
Device write_channel(xenstore::StoreView& store, DomId guest, const config::ChannelSpec& channel, u32 number);

/// Fills in what a vif left open.
config::VifSpec complete(config::VifSpec vif, u32 devid);

/// Waits until the backends have taken the devices up.
/// @throws Failure  one did not, and what it said; or we are interrupted, and the caller is to undo what it has made
void wait_for_backends(xenstore::Client& store, const std::vector<Device>& devices, const InterruptGuard& interrupts);

/// Makes a device for a guest that is there, by `write`, and waits until its backend has taken it up.
/// @throws Failure  as wait_for_backends(); what was made is undone
void attach_device(xenstore::Client& store, const std::function<Device(xenstore::StoreView&)>& write);

/// All of a guest's, by xl's own record.
std::vector<Device> devices_of(xenstore::Client& store, DomId guest);

enum class Removal {
    polite,      ///< the guest is asked to let go
    forced,      ///< the guest is not asked: it is paused, or gone
    with_domain, ///< forced, and the caller removes all nodes of the domain itself
};
/// Has the backends let go of the devices and removes their nodes.
/// @throws Failure  politely asked, a guest did not let go
void remove_devices(xenstore::Client& store, const std::vector<Device>& devices, Removal removal);

/// Tells the guests of a driver domain that their devices end, while it still runs and answers what they have asked
/// for: they close their ends, where they would wait for answers. Those that do not listen are waited for a moment.
void end_served_devices(xenstore::Client& store, DomId backend_domain);

}
