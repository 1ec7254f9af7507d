// A virtual disk: what its folder in the store says, made into a FileDisk and a Queue.
#pragma once

#include "backends/block/file_disk.hpp"
#include "backends/block/queue.hpp"
#include "backends/lib/device.hpp"
#include "backends/lib/xen_peer.hpp"

namespace xylem::backends::block {

/// What all disks of this process share.
struct Context {
    EventLoop& loop;
    Store& store;
    dom0::GrantDevice& grants;
    EventHub& events;
    AsyncIo& io;
};

class BlockDevice : public Device {
public:
    BlockDevice(Context context, DevicePlace place, DeviceEvents events);

    Entries prepare() override;
    Entries connect(Begin begin) override;
    bool disconnect() override;
    void quiesce() override;
    bool idle() const override { return !queue_ || queue_->idle(); }

private:
    Entries features() const;
    MappedPages map_ring();
    std::vector<GrantRef> ring_refs();
    void check_protocol();

    Context context_;
    DevicePlace place_;
    DeviceEvents events_;
    std::string name_;
    GntdevMemory memory_;
    std::unique_ptr<FileDisk> disk_;
    std::unique_ptr<Queue> queue_; // before the disk in the order of ends
};

}
