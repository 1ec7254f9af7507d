// A channel: a console beside the first, for programs. Its frontend brings the ring, by the handshake of every device
// (device/console/NUMBER in the guest's folder, backend/console/DOMAIN/NUMBER in ours, from number 1 on); what is
// beyond the ring is as with the first console, only that nothing is logged: a channel carries data.
//
// Our folder says by `connection` what it is in dom0: "pty", whose path we write to the frontend's `tty`, or "socket",
// which listens at our folder's `path`. That end is there from before the guest starts until the device is removed,
// whatever the frontend does.
#pragma once

#include "backends/console/guest.hpp"
#include "backends/lib/ring_device.hpp"

namespace xylem::backends::console {

class Channel : public Device {
public:
    /// The signal of `seams` leaves unmasking to its owner.
    Channel(DeviceSeams seams, DevicePlace place, DeviceEvents events);
    ~Channel() override;

    Entries prepare() override;
    Entries connect(Begin begin) override;
    bool disconnect() override;
    void quiesce() override { guest_.reset(); }
    bool idle() const override { return true; }

private:
    std::string own(const char* node) const;
    std::unique_ptr<Terminal> make_terminal();
    void remove_leftover();

    DeviceSeams seams_;
    DevicePlace place_;
    DeviceEvents events_;
    std::string name_;
    MappedPages page_;
    std::unique_ptr<Terminal> terminal_;
    std::unique_ptr<Guest> guest_; // before the page and the terminal in the order of ends
};

/// Whether a device of backend/console is a channel of ours: the first console has no handshake, and QEMU serves those
/// whose `type` is "ioemu".
bool is_channel(Store& store, DomId domain, unsigned number);

}
