// See transmit.hpp.
#include "backends/net/transmit.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace xylem::backends::net {

using namespace abi::io;

/// Slots of one packet. The protocol promises 18; a little more is tolerated, for frontends that count otherwise.
static constexpr u32 max_slots = netif_nr_slots_min + 2;
/// Extras of one packet: one of each type at most.
static constexpr int max_extras = 4;
/// Copied at once: many small packets or some of the largest.
static constexpr std::size_t batch_pages = 160;
static constexpr std::size_t batch_packets = 64;
static constexpr int rounds_per_turn = 4;

Transmit::Transmit(QueueParts parts, MappedPages ring, SendRules& rules)
    : with_(std::move(parts)), shared_(std::move(ring)), ring_(shared_.data(), shared_.bytes()), pages_(batch_pages),
      rules_(rules)
{
}

void Transmit::serve()
{
    for (int round = 0; round < rounds_per_turn; ++round) {
        if (stopped_ || !collect())
            return;
        if (packets_.empty() && (pause_.pending() || !ring_.ask_for_event()))
            return;
        if (!copies_.empty())
            with_.memory.copy(copies_);
        for (Packet& packet : packets_)
            send(packet);
        answer();
    }
    // The ring keeps filling: the others get their turn, then we go on.
    with_.loop.defer([self = self_] {
        if (*self)
            (*self)->serve();
    });
}

bool Transmit::broken(const char* why)
{
    stopped_ = true;
    with_.on_broken(why);
    return false;
}

/// Takes as many packets as make a batch. @return false  the ring is broken
bool Transmit::collect()
{
    packets_.clear();
    answers_.clear();
    parts_.clear();
    copies_.clear();
    std::optional<u32> waiting = ring_.waiting();
    if (!waiting)
        return broken("the request index of its transmit ring runs ahead of the ring");
    while (*waiting > 0 && packets_.size() < batch_packets && parts_.size() + max_slots <= pages_.count() &&
           within_rate())
        if (!take_packet(*waiting))
            return false;
    return true;
}

/// Whether the guest may send another packet now; if not, serve() is called when it may.
bool Transmit::within_rate()
{
    const auto wait = rules_.rate ? rules_.rate->wait(Budget::Clock::now()) : Budget::Clock::duration::zero();
    if (wait <= Budget::Clock::duration::zero())
        return true;
    pause_ = with_.loop.after(wait, [this] { serve(); });
    return false;
}

/// A guest that sends from another's address would have the bridge send it the other's packets.
bool Transmit::allowed(Packet& packet)
{
    if (!rules_.only_from)
        return true;
    if (parts_[packet.first_part].iov_len < ethernet_header_bytes)
        join_parts(packet);
    const iovec& first = parts_[packet.first_part];
    return comes_from({static_cast<const std::byte*>(first.iov_base), first.iov_len}, *rules_.only_from);
}

bool Transmit::take_packet(u32& waiting)
{
    const Request first = ring_.take();
    --waiting;
    if (rules_.rate)
        rules_.rate->spend(first.size);
    Packet packet{};
    packet.bytes = first.size;
    packet.flags = first.flags;
    packet.first_answer = static_cast<u32>(answers_.size());
    packet.first_part = static_cast<u32>(parts_.size());
    packet.good = first.size >= ethernet_header_bytes;
    answers_.push_back({first.id, false});
    if (!take_extras(first, waiting, packet) || !take_fragments(first, waiting, packet))
        return false;
    packet.answers = static_cast<u32>(answers_.size()) - packet.first_answer;
    if (!packet.good) {
        parts_.resize(packet.first_part);
        copies_.resize(packet.first_part);
    }
    packet.parts = static_cast<u32>(parts_.size()) - packet.first_part;
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
    add_part(first, first.size - behind_first, packet);
    for (u32 i = 0; i < count; ++i)
        add_part(fragments[i], fragments[i].size, packet);
    return true;
}

void Transmit::add_part(const Request& fragment, std::size_t bytes, Packet& packet)
{
    if (fragment.offset + bytes > page_size) {
        packet.good = false;
        return;
    }
    std::byte* page = pages_.page(parts_.size());
    parts_.push_back({page, bytes});
    copies_.push_back(GrantCopy::from_guest({with_.memory.domain(), GrantRef(fragment.gref)}, fragment.offset, page,
                                            static_cast<u16>(bytes)));
}

/// Makes one part of all, for headers that a frontend has spread over several.
void Transmit::join_parts(Packet& packet)
{
    joined_.clear();
    for (const iovec& part : parts_of(packet)) {
        const auto* bytes = static_cast<const std::byte*>(part.iov_base);
        joined_.insert(joined_.end(), bytes, bytes + part.iov_len);
    }
    packet.parts = 1;
    parts_[packet.first_part] = {joined_.data(), joined_.size()};
}

/// What the packet asks the next sender to do. @return false  it asks for the impossible
bool Transmit::describe(Packet& packet, TapHeader& header)
{
    header = {};
    const bool segments = packet.gso.type == NetifExtraType::gso;
    if (!(packet.flags & nettxf_csum_blank) && !segments) {
        header.flags = packet.flags & nettxf_data_validated ? TapHeader::data_valid : 0;
        return true;
    }
    const auto head = [&] {
        const iovec& first = parts_[packet.first_part];
        return std::span(static_cast<std::byte*>(first.iov_base), first.iov_len);
    };
    auto place = find_checksum(head());
    if (!place && packet.parts > 1) {
        join_parts(packet);
        place = find_checksum(head());
    }
    if (!place)
        return false;
    store_pseudo_header_sum(head(), *place, packet.bytes);
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
    for (u32 i = 0; packet.good && i < packet.parts; ++i)
        packet.good = copies_[packet.first_part + i].done();
    TapHeader header;
    packet.good = packet.good && allowed(packet) && describe(packet, header);
    if (!packet.good) {
        if (log_limit_.allows())
            log("{}: dropped a packet of the guest that does not hold, or from another's address: {} bytes, flags "
                "{:#x}",
                with_.name, packet.bytes, packet.flags);
        return;
    }
    std::array<iovec, max_slots + 1> whole{iovec{&header, sizeof header}};
    const auto parts = parts_of(packet);
    std::copy(parts.begin(), parts.end(), whole.begin() + 1);
    with_.link.send(std::span(whole).first(parts.size() + 1)); // what the link does not take is lost, as on any wire
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
        with_.notify();
}

}
