// A virtual interface: what its folder in the store says, made into a Tap and pairs of queues.
#pragma once

#include "backends/lib/device.hpp"
#include "backends/lib/xen_peer.hpp"
#include "backends/net/receive.hpp"
#include "backends/net/rings.hpp"
#include "backends/net/splitter.hpp"
#include "backends/net/tap.hpp"
#include "backends/net/transmit.hpp"

namespace xylem::backends::net {

/// What all interfaces of this process share.
struct Context {
    EventLoop& loop;
    Store& store;
    dom0::GrantDevice& grants;
    EventHub& events;
};

class NetDevice : public Device {
public:
    NetDevice(Context context, DevicePlace place, DeviceEvents events);

    Entries prepare() override;
    Entries connect(Begin begin) override;
    bool disconnect() override;
    void quiesce() override;
    bool idle() const override { return true; } // a batch is begun and ended within one call

private:
    TapConfig tap_config() const;
    Offload read_offload() const;
    SendRules read_rules() const;
    MappedPages map_ring(GrantRef page, const char* direction);
    void make_pair(const RingPlace& place, const Offload& offload);

    /// What serves one of the guest's pairs of rings.
    struct Pair {
        std::unique_ptr<Transmit> transmit;
        std::unique_ptr<Receive> receive;
        std::unique_ptr<PeerSignal> transmit_signal;
        std::unique_ptr<PeerSignal> receive_signal; ///< null: one event channel for both

        void bind(EventHub& events, DomId peer, const RingPlace& place);
        void begin(Begin begin);
    };

    Context context_;
    DevicePlace place_;
    DeviceEvents events_;
    std::string name_;
    GntdevMemory memory_;
    std::unique_ptr<Tap> tap_;
    SendRules rules_; ///< read once: a frontend that connects anew has no fresh budget
    std::unique_ptr<Splitter> splitter_;
    std::vector<std::unique_ptr<Pair>> pairs_; // before the splitter in the order of ends
};

}
