// The devices in a driver domain's backend folder, as xl devd sees them: each has a backend for as long as a toolstack
// wants it, and none is left behind.
//
// A toolstack in dom0 makes a device's folder in our part of the store, and waits for its backend to take it up. For
// its end it writes 0 into "online" and waits until the backend has closed (state 6) and the folder has gone, which is
// ours to remove: only we know when all that was done for the device is undone. All that is done here may be done
// twice, so that a devd which was killed anywhere has a successor that goes on.
#pragma once

#include "backends/lib/event_loop.hpp"
#include "backends/lib/store.hpp"

#include <memory>
#include <set>

namespace xylem::xl {

struct ServedDevice {
    std::string kind; ///< as in the store's path: "vbd", "vif"
    DomId guest;
    u32 number;
    std::string folder;
};

/// What a path is, somewhere below `base`, the backend folder: nothing if it is not a device's folder or in one.
std::optional<ServedDevice> device_at(const std::string& base, const std::string& path);

/// Whose a device's backend is.
enum class Provision { ours, linux, nobody };

struct DeviceHelpers {
    /// Has the backend run of a kind of devices that do not say whose they are.
    std::function<Provision(const std::string& kind)> provide;
    /// Does for a device of Linux's backend what that leaves to others. May be called again at any time.
    std::function<void(const ServedDevice& device)> set_up_for_linux;
};

class ServedDevices {
public:
    /// `self` is this domain. Looks at what there is already in the loop's first turns.
    ServedDevices(backends::EventLoop& loop, backends::Store& store, DomId self, DeviceHelpers helpers);
    ~ServedDevices();

private:
    void on_change(const std::string& path);
    void scan();
    void look_soon(const ServedDevice& device);
    void look_at(const ServedDevice& device);
    Provision whose(const ServedDevice& device);
    void serve(const ServedDevice& device, const std::string& state);

    backends::EventLoop& loop_;
    backends::Store& store_;
    std::string base_;
    DeviceHelpers helpers_;
    std::set<std::string> to_look_at_; ///< folders
    std::shared_ptr<ServedDevices*> self_ = std::make_shared<ServedDevices*>(this);
};

}
