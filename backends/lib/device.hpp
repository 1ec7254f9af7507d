// What a kind of device has to bring; the handshake around it is DeviceHost's.
#pragma once

#include "backends/lib/store.hpp"
#include "hypervisor/base/types.hpp"

#include <functional>
#include <memory>
#include <stdexcept>

namespace xylem::backends {

struct DevicePlace {
    DomId peer;
    unsigned number;   ///< as the folder's name
    std::string back;  ///< our folder in the store
    std::string front; ///< the frontend's
};

/// Thrown by prepare() for what may pass: it is tried again for a while. The text is the sentence to give if it does
/// not.
class NotYet : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Device {
public:
    enum class Begin { fresh, resumed };

    virtual ~Device() = default;

    // These throw std::exception whose text is a sentence for the administrator.

    /// Opens what the device stands for (a file, an interface).
    /// @return the features to advertise
    virtual Entries prepare() = 0;
    /// Starts to serve the frontend's rings, as its folder describes them.
    /// @return what to tell the frontend along with state Connected
    virtual Entries connect(Begin begin) = 0;

    /// Stops serving.
    /// @return false  something is still in service; on_idle is called when nothing is, and then this again
    virtual bool disconnect() = 0;
    /// Takes no new requests and lets those in service finish; the frontend is not told. (Our own orderly exit)
    virtual void quiesce() = 0;
    virtual bool idle() const = 0;
};

/// How a device talks back to its host.
struct DeviceEvents {
    std::function<void()> on_idle;
    std::function<void(std::string reason)> on_broken; ///< the frontend broke the protocol
};

using DeviceFactory = std::function<std::unique_ptr<Device>(const DevicePlace& place, DeviceEvents events)>;

}
