// See device.hpp.
#include "backends/net/device.hpp"

#include "backends/lib/rate.hpp"

#include <algorithm>

namespace xylem::backends::net {

NetDevice::NetDevice(Context context, DevicePlace place, DeviceEvents events)
    : context_(context), place_(std::move(place)), events_(std::move(events)),
      name_(fmt::format("vif {}/{}", place_.peer.value, place_.number)), memory_(context.grants, place_.peer)
{
}

TapConfig NetDevice::tap_config() const
{
    Store& store = context_.store;
    TapConfig config;
    config.name = store.read(place_.back + "/vifname").value_or("");
    if (config.name.empty())
        config.name = fmt::format("vif{}.{}", place_.peer.value, place_.number);
    config.bridge = store.read(place_.back + "/bridge").value_or("");
    config.mtu = static_cast<unsigned>(read_number(store, place_.back + "/mtu").value_or(config.mtu));
    return config;
}

Entries NetDevice::prepare()
{
    const TapConfig config = tap_config();
    rules_ = read_rules();
    try {
        tap_ = std::make_unique<Tap>(context_.loop, config, [this] {
            if (receive_)
                receive_->serve();
        });
    } catch (const InterfaceBusy& busy) {
        throw NotYet(busy.what());
    }
    log("{}: interface {}{}", name_, config.name, config.bridge.empty() ? "" : " on bridge " + config.bridge);
    return {{"feature-sg", "1"},
            {"feature-gso-tcpv4", "1"},
            {"feature-gso-tcpv6", "1"},
            {"feature-ipv6-csum-offload", "1"},
            {"feature-rx-copy", "1"},
            {"feature-rx-flip", "0"},
            {"feature-split-event-channels", "1"}};
}

Offload NetDevice::read_offload() const
{
    const auto flag = [&](const char* node) { return read_flag(context_.store, place_.front + node); };
    Offload offload;
    offload.scatter = flag("/feature-sg");
    offload.checksum_ipv4 = !flag("/feature-no-csum-offload");
    offload.checksum_ipv6 = flag("/feature-ipv6-csum-offload");
    offload.segments_ipv4 = offload.checksum_ipv4 && flag("/feature-gso-tcpv4");
    offload.segments_ipv6 = offload.checksum_ipv6 && flag("/feature-gso-tcpv6");
    return offload;
}

/// `rate` as Xen's own backend takes it: so many bytes in each interval, and 128 KiB may come at once.
SendRules NetDevice::read_rules() const
{
    static constexpr std::int64_t least_burst = 128 << 10;
    SendRules rules;
    if (const auto rate = read_rate(context_.store, place_.back + "/rate"))
        rules.rate.emplace(rate->bytes, rate->interval, std::max(rate->bytes, least_burst), Budget::Clock::now());
    if (read_flag(context_.store, place_.back + "/mac-filter")) {
        const std::string mac = context_.store.read(place_.back + "/mac").value_or("");
        rules.only_from = parse_mac(mac);
        if (!rules.only_from)
            throw std::runtime_error(
                fmt::format("the node {}/mac holds '{}', which is no address to filter by", place_.back, mac));
    }
    return rules;
}

MappedPages NetDevice::map_ring(const std::string& node)
{
    const auto number = read_number(context_.store, place_.front + node);
    if (!number)
        throw std::runtime_error(fmt::format("the frontend's node {}{} is missing or no number", place_.front, node));
    const GrantRef ref(static_cast<u32>(*number));
    MappedPages ring(memory_, {&ref, 1});
    if (!ring)
        throw std::runtime_error(fmt::format("the frontend's ring page {} cannot be mapped", node.substr(1)));
    return ring;
}

Port NetDevice::read_port(const std::string& node) const
{
    if (const auto number = read_number(context_.store, place_.front + node))
        return Port(static_cast<u32>(*number));
    throw std::runtime_error(fmt::format("the frontend's node {}{} is missing or no number", place_.front, node));
}

void NetDevice::make_queues()
{
    const auto parts = [this](std::function<void()> notify) {
        return QueueParts{context_.loop, memory_, *tap_, name_, std::move(notify), [this](std::string why) {
                              log("{}: closing the device, for the guest broke the protocol: {}", name_, why);
                              events_.on_broken(why);
                          }};
    };
    transmit_ =
        std::make_unique<Transmit>(parts([this] { transmit_signal_->notify(); }), map_ring("/tx-ring-ref"), rules_);
    receive_ =
        std::make_unique<Receive>(parts([this] { (receive_signal_ ? receive_signal_ : transmit_signal_)->notify(); }),
                                  map_ring("/rx-ring-ref"), read_offload());
}

void NetDevice::bind_events()
{
    if (context_.store.read(place_.front + "/event-channel-tx")) {
        transmit_signal_ =
            context_.events.bind(place_.peer, read_port("/event-channel-tx"), [this] { transmit_->serve(); });
        receive_signal_ =
            context_.events.bind(place_.peer, read_port("/event-channel-rx"), [this] { receive_->serve(); });
        return;
    }
    transmit_signal_ = context_.events.bind(place_.peer, read_port("/event-channel"), [this] {
        transmit_->serve();
        receive_->serve();
    });
}

Entries NetDevice::connect(Begin begin)
{
    if (!read_flag(context_.store, place_.front + "/request-rx-copy"))
        throw std::runtime_error("the frontend wants received pages to be flipped; only copying is served");
    make_queues();
    if (begin == Begin::fresh) {
        transmit_->ring().start();
        receive_->ring().start();
    } else {
        transmit_->ring().resume();
        receive_->ring().resume();
    }
    bind_events();
    tap_->set_offload(read_offload());
    tap_->drain();
    tap_->listen(true);
    if (begin == Begin::resumed) { // the predecessor may have died between answering and telling
        transmit_signal_->notify();
        if (receive_signal_)
            receive_signal_->notify();
    }
    transmit_->serve();
    receive_->serve();
    return {};
}

bool NetDevice::disconnect()
{
    if (tap_)
        tap_->listen(false);
    transmit_signal_.reset();
    receive_signal_.reset();
    transmit_.reset();
    receive_.reset();
    return true;
}

void NetDevice::quiesce()
{
    if (!transmit_)
        return;
    transmit_->stop();
    receive_->stop();
    tap_->listen(false);
}

}
