// See receive.hpp.
#include "backends/net/receive.hpp"

#include <algorithm>
#include <cstring>

namespace xylem::backends::net {

using namespace abi::io;

static constexpr std::size_t largest_packet_pages = pages_for(netif_max_tx_size);
static constexpr std::size_t batch_pages = 128;
static constexpr std::size_t batch_packets = 64;
static constexpr int rounds_per_turn = 4;

Receive::Receive(QueueParts parts, MappedPages ring, Offload offload)
    : with_(std::move(parts)), shared_(std::move(ring)), ring_(shared_.data(), shared_.bytes()), offload_(offload),
      pages_(batch_pages)
{
}

void Receive::serve()
{
    for (int round = 0; round < rounds_per_turn; ++round)
        if (stopped_ || !deliver_batch())
            return;
    with_.loop.defer([self = self_] {
        if (*self)
            (*self)->serve();
    });
}

/// @return whether there may be more to do now
bool Receive::deliver_batch()
{
    packets_.clear();
    answers_.clear();
    copies_.clear();
    if (waiting_bytes_ > 0 && at_ > 0) { // one that found no room: to the front, so that the rest has space
        std::memmove(pages_.page(0), frame().data(), waiting_bytes_);
        at_ = 0;
    }
    bool link_empty = false;
    bool ring_full = false;
    while (!link_empty && !ring_full && packets_.size() < batch_packets &&
           at_ + largest_packet_pages <= pages_.count()) {
        link_empty = !next_packet();
        if (link_empty)
            break;
        ring_full = !room_for_packet();
        if (!ring_full)
            place_packet();
    }
    finish_batch();
    with_.link.listen(!ring_full && !stopped_);
    return !link_empty && !ring_full && !stopped_;
}

/// Has a frame in hand, the waiting one or the link's next that the guest can take at all. @return false  there is none
bool Receive::next_packet()
{
    while (waiting_bytes_ == 0) {
        waiting_bytes_ = with_.link.receive(header_, pages_.from(at_).first(largest_packet_pages * page_size));
        if (waiting_bytes_ == 0)
            return false;
        if (!acceptable())
            waiting_bytes_ = 0;
    }
    return true;
}

/// The link was told what the frontend can take, but what was queued before that may be otherwise.
bool Receive::acceptable() const
{
    if (waiting_bytes_ < ethernet_header_bytes)
        return false;
    switch (header_.segmentation()) {
    case TapHeader::gso_none:
        return waiting_bytes_ <= (offload_.scatter ? netif_max_tx_size : page_size);
    case TapHeader::gso_tcpv4:
        return offload_.segments_ipv4 && offload_.scatter;
    case TapHeader::gso_tcpv6:
        return offload_.segments_ipv6 && offload_.scatter;
    default:
        return false;
    }
}

u32 Receive::slots_needed() const
{
    return static_cast<u32>(pages_for(waiting_bytes_)) + (is_segmented() ? 1 : 0);
}

bool Receive::room_for_packet()
{
    const std::optional<u32> posted = ring_.waiting();
    if (!posted) {
        stopped_ = true;
        with_.on_broken("the request index of its receive ring runs ahead of the ring");
        return false;
    }
    return *posted >= slots_needed() || ring_.ask_for_event_after(slots_needed());
}

/// Completes the checksum here if the guest cannot. @return the flags of the first response
u16 Receive::checksum_flags()
{
    if (header_.flags & TapHeader::data_valid)
        return netrxf_data_validated;
    if (!(header_.flags & TapHeader::needs_checksum))
        return 0;
    const auto place = find_checksum(frame());
    const bool capable = place && (place->ipv6 ? offload_.checksum_ipv6 : offload_.checksum_ipv4);
    if (!capable) {
        if (place)
            store_full_checksum(frame(), *place);
        return 0;
    }
    return netrxf_csum_blank | netrxf_data_validated;
}

Receive::Response Receive::extra_slot() const
{
    NetifExtraInfo extra{};
    extra.type = NetifExtraType::gso;
    extra.u.gso.size = header_.segment_bytes;
    extra.u.gso.type = header_.segmentation() == TapHeader::gso_tcpv6 ? NetifGsoType::tcpv6 : NetifGsoType::tcpv4;
    Response slot;
    static_assert(sizeof slot == sizeof extra);
    std::memcpy(static_cast<void*>(&slot), &extra, sizeof slot);
    return slot;
}

/// Gives the frame in hand its slots; the copy follows with the batch.
void Receive::place_packet()
{
    Packet packet{static_cast<u32>(answers_.size()), 0, static_cast<u32>(copies_.size()), 0};
    const u16 first_flags = checksum_flags();
    const std::size_t end = waiting_bytes_;
    for (std::size_t done = 0; done < end; done += page_size) {
        const NetifRxRequest page = ring_.take();
        const auto bytes = static_cast<u16>(std::min<std::size_t>(page_size, end - done));
        copies_.push_back(
            GrantCopy::to_guest(frame().data() + done, {with_.memory.domain(), GrantRef(page.gref)}, 0, bytes));
        u16 flags = done == 0 ? first_flags : u16{0};
        if (done + bytes < end)
            flags |= netrxf_more_data;
        const bool extra = done == 0 && is_segmented();
        if (extra)
            flags |= netrxf_extra_info;
        answers_.push_back({page.id, 0, flags, static_cast<i16>(bytes)});
        ++packet.copies;
        if (extra) {
            ring_.take(); // its page stays the guest's: the slot carries the extra alone
            answers_.push_back(extra_slot());
        }
    }
    packet.answers = static_cast<u32>(answers_.size()) - packet.first_answer;
    packets_.push_back(packet);
    at_ += pages_for(waiting_bytes_);
    waiting_bytes_ = 0;
}

void Receive::finish_batch()
{
    if (packets_.empty())
        return;
    with_.memory.copy(copies_);
    for (const Packet& packet : packets_) {
        bool good = true;
        for (u32 i = 0; i < packet.copies; ++i)
            good = good && copies_[packet.first_copy + i].done();
        if (!good) // the first slot's status tells the guest to drop the whole packet
            answers_[packet.first_answer].status = static_cast<i16>(NetifStatus::error);
    }
    for (const Response& response : answers_)
        ring_.respond(response);
    if (ring_.publish())
        with_.notify();
    if (waiting_bytes_ == 0)
        at_ = 0;
}

}
