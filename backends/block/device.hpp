// A virtual disk: what its folder in the store says, made into a Disk and its Queues.
#pragma once

#include "backends/block/open.hpp"
#include "backends/block/queue.hpp"
#include "backends/block/rings.hpp"
#include "backends/lib/device.hpp"
#include "backends/lib/xen_peer.hpp"
#include "dom0/lib/disk_counters.hpp"

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
    ~BlockDevice() override;

    Entries prepare() override;
    Entries connect(Begin begin) override;
    bool disconnect() override;
    void quiesce() override;
    bool idle() const override;

private:
    /// The last job of a connection.
    struct Rest : DiskJob {
        enum class State { due, running, done };

        explicit Rest(BlockDevice& owner) : device(owner) {}
        void done(int) override
        {
            state = State::done;
            device.events_.on_idle();
        }
        BlockDevice& device;
        State state = State::due;
    };

    Entries features() const;
    void connect_ring(const RingPlace& place, Grants grants);
    void stop_taking();
    bool queues_idle() const;
    void check_protocol();
    void open_counters(Begin begin);
    bool rest();
    void queue_is_idle();

    Context context_;
    DevicePlace place_;
    DeviceEvents events_;
    std::string name_;
    GntdevMemory memory_;
    std::unique_ptr<Disk> disk_;
    Rest rest_{*this};
    bool quiesced_ = false;
    Limits limits_; ///< read once: a frontend that connects anew has no fresh budget
    dom0::SharedDiskCounters counters_;
    std::vector<std::unique_ptr<Queue>> queues_; // before the disk in the order of ends
};

}
