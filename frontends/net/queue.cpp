// See queue.hpp.

#include "frontends/net/queue.hpp"

namespace xylem::frontends::net {

using namespace abi::io;

Queue::~Queue()
{
    delete[] free_pages_;
    delete[] sent_;
    delete[] posted_;
    delete[] packet_;
}

Result<void> Queue::open()
{
    TRY(transmit_ring_page_.acquire(kernel_, backend_, 1));
    TRY(receive_ring_page_.acquire(kernel_, backend_, 1));
    TRY(transmit_pages_.acquire(kernel_, backend_, shape_.transmit_pages));
    TRY(receive_pages_.acquire(kernel_, backend_, shape_.receive_pages));
    TRY(transmit_port_.acquire(kernel_, backend_, handlers_.on_event, handlers_.context));
    if (shape_.split_events)
        TRY(receive_port_.acquire(kernel_, backend_, handlers_.on_event, handlers_.context));
    transmit_.emplace(transmit_ring_page_.page(0), page_size);
    receive_.emplace(receive_ring_page_.page(0), page_size);
    free_pages_ = new u16[shape_.transmit_pages];
    for (u32 i = 0; i < shape_.transmit_pages; ++i)
        free_pages_[free_count_++] = static_cast<u16>(i);
    sent_ = new bool[shape_.transmit_pages]();
    posted_ = new bool[shape_.receive_pages]();
    packet_ = new u8[longest_packet];
    post_all();
    return {};
}

Result<void> Queue::send(std::span<const u8> packet, Checksum checksum)
{
    const u32 slots = static_cast<u32>(pages_for(packet.size()));
    if (packet.empty() || packet.size() > longest_packet || slots > netif_nr_slots_min || slots > shape_.transmit_pages)
        return Error::Invalid;
    if (complaint_ || slots > free_count_ || slots > transmit_->room())
        return Error::Again;
    for (u32 i = 0; i < slots; ++i) {
        const auto piece = packet.subspan(i * page_size, i + 1 < slots ? page_size : packet.size() - i * page_size);
        const u16 id = free_pages_[--free_count_];
        __builtin_memcpy(transmit_pages_.page(id), piece.data(), piece.size());
        u16 flags = i + 1 < slots ? nettxf_more_data : 0;
        if (i == 0 && checksum == Checksum::blank)
            flags |= nettxf_csum_blank | nettxf_data_validated;
        const u64 bytes = i == 0 ? packet.size() : piece.size(); // the first tells of the whole
        sent_[id] = true;
        transmit_->push(NetifTxRequest{transmit_pages_.ref(id).value, 0, flags, id, static_cast<u16>(bytes)});
    }
    ++packets_out;
    bytes_out += packet.size();
    if (transmit_->publish())
        transmit_port_.notify();
    return {};
}

void Queue::serve()
{
    serve_ring(*transmit_, "its response index runs ahead of what was sent", &Queue::take_sent);
    serve_ring(*receive_, "its response index runs ahead of the room that it has", &Queue::take_received);
    if (!complaint_)
        post_all();
}

/// Takes all responses of a ring, until one of them is cause for complaint. There are no more than requests in service.
template <typename Ring, typename Response>
void Queue::serve_ring(Ring& ring, const char* runs_ahead, void (Queue::*take)(const Response&))
{
    while (!complaint_) {
        const auto waiting = ring.waiting_or_event();
        if (waiting == 0u)
            return;
        if (waiting)
            (this->*take)(ring.take());
        else
            complaint_ = runs_ahead;
    }
}

void Queue::take_sent(const NetifTxResponse& response)
{
    if (response.id >= shape_.transmit_pages || !sent_[response.id]) {
        complaint_ = "it answered a packet that is not on its way";
        return;
    }
    sent_[response.id] = false;
    free_pages_[free_count_++] = response.id;
    errors += response.status != NetifStatus::okay;
}

/// What the flags of a packet's first slot say of its checksum.
static Checksum checksum_of(u16 flags)
{
    if (flags & netrxf_csum_blank)
        return Checksum::blank;
    return flags & netrxf_data_validated ? Checksum::validated : Checksum::complete;
}

/// One slot of a packet that has come.
void Queue::take_received(const NetifRxResponse& response)
{
    if (response.id >= shape_.receive_pages || !posted_[response.id]) {
        complaint_ = "it filled a page that it was not given";
        return;
    }
    posted_[response.id] = false;
    if (response.flags & (netrxf_extra_info | netrxf_gso_prefix)) {
        complaint_ = "it sent what was not asked for";
        return;
    }
    const u32 bytes = response.status > 0 ? static_cast<u32>(response.status) : 0;
    if (response.offset > page_size || bytes > page_size - response.offset || bytes > longest_packet - packet_bytes_) {
        complaint_ = "it says that a packet is longer than there is room for";
        return;
    }
    packet_bad_ |= response.status <= 0;
    if (packet_bytes_ == 0)
        packet_checksum_ = checksum_of(response.flags);
    __builtin_memcpy(packet_ + packet_bytes_, receive_pages_.page(response.id) + response.offset, bytes);
    packet_bytes_ += bytes;
    if (response.flags & netrxf_more_data)
        return;
    end_packet();
}

/// The packet that has come so far is whole.
void Queue::end_packet()
{
    const std::span<const u8> packet{packet_, packet_bytes_};
    const bool good = !packet_bad_;
    packet_bytes_ = 0;
    packet_bad_ = false;
    if (!good) {
        ++errors;
        return;
    }
    ++packets_in;
    bytes_in += packet.size();
    handlers_.on_packet(handlers_.context, packet, packet_checksum_);
}

void Queue::post(u16 id)
{
    posted_[id] = true;
    receive_->push(NetifRxRequest{id, 0, receive_pages_.ref(id).value});
}

void Queue::post_all()
{
    for (u32 id = 0; id < shape_.receive_pages && receive_->room() > 0; ++id)
        if (!posted_[id])
            post(static_cast<u16>(id));
    if (receive_->publish())
        (shape_.split_events ? receive_port_ : transmit_port_).notify();
}

}
