// See transmit.hpp.
#include "backends/net/transmit.hpp"

#include <cstring>

namespace xylem::backends::net {

using namespace abi::io;

/// Slots of one packet. The protocol promises 18; a little more is tolerated, for frontends that count otherwise.
static constexpr u32 max_slots = netif_nr_slots_min + 2;
/// Extras of one packet: one of each type at most.
static constexpr int max_extras = 4;
static constexpr std::size_t largest_packet = sizeof(TapHeader) + netif_max_tx_size + 16;
/// Copied at once; many small packets or a few of the largest.
static constexpr std::size_t batch_bytes = 4 * largest_packet;
static constexpr std::size_t batch_packets = 64;
static constexpr int rounds_per_turn = 4;

Transmit::Transmit(QueueParts parts, MappedPages ring)
    : parts_(std::move(parts)), pages_(std::move(ring)), ring_(pages_.data(), pages_.bytes()), buffer_(batch_bytes)
{
}

void Transmit::serve()
{
    for (int round = 0; round < rounds_per_turn; ++round) {
        if (stopped_ || !collect())
            return;
        if (packets_.empty() && !ring_.ask_for_event())
            return;
        if (!copies_.empty())
            parts_.memory.copy(copies_);
        for (Packet& packet : packets_)
            send(packet);
        answer();
    }
    // The ring keeps filling: the others get their turn, then we go on.
    parts_.loop.defer([self = self_] {
        if (*self)
            (*self)->serve();
    });
}

bool Transmit::broken(const char* why)
{
    stopped_ = true;
    parts_.on_broken(why);
    return false;
}

/// Takes as many packets as make a batch. @return false  the ring is broken
bool Transmit::collect()
{
    packets_.clear();
    answers_.clear();
    copies_.clear();
    filled_ = 0;
    std::optional<u32> waiting = ring_.waiting();
    if (!waiting)
        return broken("the request index of its transmit ring runs ahead of the ring");
    while (*waiting > 0 && packets_.size() < batch_packets && filled_ + largest_packet <= buffer_.size())
        if (!take_packet(*waiting))
            return false;
    return true;
}

bool Transmit::take_packet(u32& waiting)
{
    const Request first = ring_.take();
    --waiting;
    Packet packet{};
    packet.start = filled_;
    packet.bytes = first.size;
    packet.flags = first.flags;
    packet.first_answer = static_cast<u32>(answers_.size());
    packet.first_copy = static_cast<u32>(copies_.size());
    packet.good = first.size >= ethernet_header_bytes;
    answers_.push_back({first.id, false});
    if (!take_extras(first, waiting, packet) || !take_fragments(first, waiting, packet))
        return false;
    packet.answers = static_cast<u32>(answers_.size()) - packet.first_answer;
    if (packet.good) {
        packet.copies = static_cast<u32>(copies_.size()) - packet.first_copy;
        filled_ += (sizeof(TapHeader) + packet.bytes + 15) & ~std::size_t{15};
    } else {
        copies_.resize(packet.first_copy);
    }
    packets_.push_back(packet);
    return true;
}

bool Transmit::take_extras(const Request& first, u32& waiting, Packet& packet)
{
    bool more = first.flags & nettxf_extra_info;
    for (int count = 0; more; ++count) {
        if (waiting == 0 || count == max_extras)
            return broken("a transmit packet lacks its extra slots, or has too many");
        const Request slot = ring_.take();
        --waiting;
        Extra extra;
        static_assert(sizeof extra <= sizeof slot);
        std::memcpy(static_cast<void*>(&extra), &slot, sizeof extra);
        answers_.push_back({0, true});
        if (extra.type == NetifExtraType::gso)
            packet.gso = extra;
        else if (extra.type != NetifExtraType::hash)
            packet.good = false; // filters are not offered, and what is unknown cannot be obeyed
        more = extra.flags & netif_extra_flag_more;
    }
    return true;
}

bool Transmit::take_fragments(const Request& first, u32& waiting, Packet& packet)
{
    Request fragments[max_slots];
    u32 count = 0;
    std::size_t behind_first = 0;
    for (u16 flags = first.flags; flags & nettxf_more_data; ++count) {
        if (waiting == 0 || count + 1 == max_slots)
            return broken("a transmit packet lacks slots, or has too many");
        fragments[count] = ring_.take();
        --waiting;
        flags = fragments[count].flags;
        behind_first += fragments[count].size;
        answers_.push_back({fragments[count].id, false});
    }
    if (behind_first >= first.size) // the first fragment has a share of the whole, too
        packet.good = packet.good && count == 0;
    if (!packet.good)
        return true;
    std::size_t at = packet.start + sizeof(TapHeader);
    add_copy(first, first.size - behind_first, packet, at);
    for (u32 i = 0; i < count; ++i)
        add_copy(fragments[i], fragments[i].size, packet, at);
    return true;
}

void Transmit::add_copy(const Request& fragment, std::size_t bytes, Packet& packet, std::size_t& at)
{
    if (fragment.offset + bytes > page_size) {
        packet.good = false;
        return;
    }
    copies_.push_back(GrantCopy::from_guest({parts_.memory.domain(), GrantRef(fragment.gref)}, fragment.offset,
                                            buffer_.data() + at, static_cast<u16>(bytes)));
    at += bytes;
}

/// What the packet asks the next sender to do. @return false  it asks for the impossible
bool Transmit::describe(const Packet& packet, TapHeader& header)
{
    header = {};
    const auto frame = std::span(buffer_).subspan(packet.start + sizeof(TapHeader), packet.bytes);
    const bool segments = packet.gso.type == NetifExtraType::gso;
    if (!(packet.flags & nettxf_csum_blank) && !segments) {
        header.flags = packet.flags & nettxf_data_validated ? TapHeader::data_valid : 0;
        return true;
    }
    const auto place = find_checksum(frame);
    if (!place)
        return false;
    store_pseudo_header_sum(frame, *place);
    header.flags = TapHeader::needs_checksum;
    header.checksum_start = static_cast<u16>(place->transport);
    header.checksum_offset = static_cast<u16>(place->field - place->transport);
    if (!segments)
        return true;
    header.gso_type = place->ipv6 ? TapHeader::gso_tcpv6 : TapHeader::gso_tcpv4;
    header.segment_bytes = packet.gso.u.gso.size;
    header.header_bytes = static_cast<u16>(place->payload);
    const auto named = place->ipv6 ? NetifGsoType::tcpv6 : NetifGsoType::tcpv4;
    return place->tcp && header.segment_bytes > 0 && packet.gso.u.gso.type == named;
}

void Transmit::send(Packet& packet)
{
    for (u32 i = 0; packet.good && i < packet.copies; ++i)
        packet.good = copies_[packet.first_copy + i].done();
    TapHeader header;
    packet.good = packet.good && describe(packet, header);
    if (!packet.good) {
        if (log_limit_.allows())
            log("{}: dropped a packet of the guest that does not hold: {} bytes, flags {:#x}", parts_.name,
                packet.bytes, packet.flags);
        return;
    }
    const auto whole = std::span(buffer_).subspan(packet.start, sizeof header + packet.bytes);
    std::memcpy(whole.data(), &header, sizeof header);
    parts_.link.send(whole); // what the link does not take is lost, as on any wire
}

void Transmit::answer()
{
    for (const Packet& packet : packets_)
        for (u32 i = 0; i < packet.answers; ++i) {
            const Answer& slot = answers_[packet.first_answer + i];
            const Status fate = packet.good ? Status::okay : Status::error;
            ring_.respond({slot.id, slot.extra ? Status::null : fate});
        }
    if (ring_.publish())
        parts_.notify();
}

}
