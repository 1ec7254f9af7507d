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
    if (dom0::is_routing_script(store.read(place_.back + "/script").value_or("")))
        config.routed =
            dom0::RoutedInterface{store.read(place_.back + "/gatewaydev").value_or(dom0::default_gateway_device),
                                  dom0::parse_networks(store.read(place_.back + "/ip").value_or(""))};
    else
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
            if (splitter_)
                splitter_->arrival();
        });
    } catch (const InterfaceBusy& busy) {
        throw NotYet(busy.what());
    }
    log("{}: interface {}{}", name_, config.name,
        config.routed           ? " routed by way of " + config.routed->gateway_device
        : config.bridge.empty() ? ""
                                : " on bridge " + config.bridge);
    return {{"feature-sg", "1"},
            {"feature-gso-tcpv4", "1"},
            {"feature-gso-tcpv6", "1"},
            {"feature-ipv6-csum-offload", "1"},
            {"feature-rx-copy", "1"},
            {"feature-rx-flip", "0"},
            {"feature-split-event-channels", "1"},
            {"multi-queue-max-queues", std::to_string(most_queues)}};
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

MappedPages NetDevice::map_ring(GrantRef page, const char* direction)
{
    MappedPages ring(memory_, {&page, 1});
    if (!ring)
        throw std::runtime_error(
            fmt::format("the frontend's {} ring (grant reference {}) cannot be mapped", direction, page.value));
    return ring;
}

void NetDevice::make_pair(const RingPlace& place, const Offload& offload)
{
    Pair& pair = *pairs_.emplace_back(std::make_unique<Pair>());
    const auto parts = [&](std::function<void()> notify) {
        return QueueParts{context_.loop,
                          memory_,
                          splitter_->queue(pairs_.size() - 1),
                          name_,
                          std::move(notify),
                          [this](std::string why) {
                              log("{}: closing the device, for the guest broke the protocol: {}", name_, why);
                              events_.on_broken(why);
                          }};
    };
    pair.transmit = std::make_unique<Transmit>(parts([&pair] { pair.transmit_signal->notify(); }),
                                               map_ring(place.transmit_page, "transmit"), rules_);
    pair.receive = std::make_unique<Receive>(
        parts([&pair] { (pair.receive_signal ? pair.receive_signal : pair.transmit_signal)->notify(); }),
        map_ring(place.receive_page, "receive"), offload);
}

void NetDevice::Pair::bind(EventHub& events, DomId peer, const RingPlace& place)
{
    if (place.receive_port) {
        transmit_signal = events.bind(peer, place.transmit_port, [this] { transmit->serve(); });
        receive_signal = events.bind(peer, *place.receive_port, [this] { receive->serve(); });
        return;
    }
    transmit_signal = events.bind(peer, place.transmit_port, [this] {
        transmit->serve();
        receive->serve();
    });
}

void NetDevice::Pair::begin(Begin begin)
{
    if (begin == Begin::resumed) { // the predecessor may have died between answering and telling
        transmit_signal->notify();
        if (receive_signal)
            receive_signal->notify();
    }
    transmit->serve();
    receive->serve();
}

Entries NetDevice::connect(Begin begin)
{
    if (!read_flag(context_.store, place_.front + "/request-rx-copy"))
        throw std::runtime_error("the frontend wants received pages to be flipped; only copying is served");
    const std::vector<RingPlace> places = read_rings(context_.store, place_.front);
    const Offload offload = read_offload();
    splitter_ = std::make_unique<Splitter>(context_.loop, *tap_, places.size(),
                                           [this](std::size_t queue) { pairs_[queue]->receive->serve(); });
    for (const RingPlace& place : places)
        make_pair(place, offload);
    for (const auto& pair : pairs_) {
        if (begin == Begin::fresh) {
            pair->transmit->ring().start();
            pair->receive->ring().start();
        } else {
            pair->transmit->ring().resume();
            pair->receive->ring().resume();
        }
    }
    for (std::size_t i = 0; i < places.size(); ++i)
        pairs_[i]->bind(context_.events, place_.peer, places[i]);
    tap_->set_offload(offload);
    tap_->drain();
    for (const auto& pair : pairs_)
        pair->begin(begin);
    return {};
}

bool NetDevice::disconnect()
{
    pairs_.clear();
    splitter_.reset();
    return true;
}

void NetDevice::quiesce()
{
    for (const auto& pair : pairs_) {
        pair->transmit->stop();
        pair->receive->stop();
    }
    if (tap_)
        tap_->listen(false);
}

}
