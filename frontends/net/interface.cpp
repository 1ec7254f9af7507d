// See interface.hpp.

#include "frontends/net/interface.hpp"

namespace xylem::frontends::net {

static std::optional<u8> digit(char c)
{
    if (c >= '0' && c <= '9')
        return static_cast<u8>(c - '0');
    if (c >= 'a' && c <= 'f')
        return static_cast<u8>(c - 'a' + 10);
    if (c >= 'A' && c <= 'F')
        return static_cast<u8>(c - 'A' + 10);
    return std::nullopt;
}

std::optional<MacAddress> mac_in(const char* text)
{
    MacAddress mac{};
    for (unsigned i = 0; i < 6; ++i, text += 3) {
        const auto high = digit(text[0]), low = high ? digit(text[1]) : std::nullopt;
        if (!low || text[2] != (i < 5 ? ':' : 0))
            return std::nullopt;
        mac.bytes[i] = static_cast<u8>(*high << 4 | *low);
    }
    return mac;
}

Result<void> Interface::offer()
{
    const auto mac = store().value(front("mac").c_str());
    const auto address = mac ? mac_in(mac->c_str()) : std::nullopt;
    if (!address)
        return Error::Invalid;
    mac_ = *address;
    split_events_ = store().flag(back("feature-split-event-channels").c_str());
    scatter_ = store().flag(back("feature-sg").c_str());
    fills_checksums_ = !store().flag(back("feature-no-csum-offload").c_str());
    u32 wanted = options_.queues < kernel().processors() ? options_.queues : kernel().processors();
    wanted = wanted < most_queues ? wanted : most_queues;
    const u32 offered = offered_number("multi-queue-max-queues", wanted, 1), count = offered > 1 ? offered : 1;
    while (queue_count_ < count) {
        Queue* queue = new Queue(kernel(), backend(), {options_.transmit_pages, options_.receive_pages, split_events_},
                                 {on_event, on_packet, this});
        queues_[queue_count_++] = queue;
        TRY(queue->open());
    }
    if (count > 1)
        TRY(write_number("multi-queue-num-queues", count));
    for (u32 i = 0; i < count; ++i)
        TRY(describe_queue(*queues_[i], count > 1 ? Value("queue-{}/", i).c_str() : ""));
    for (const char* feature : {"request-rx-copy", "feature-rx-notify", "feature-sg"})
        TRY(write_number(feature, 1));
    return write_number("feature-no-csum-offload", options_.takes_blank ? 0 : 1);
}

Result<void> Interface::describe_queue(const Queue& queue, const char* prefix)
{
    TRY(write_number(Value("{}tx-ring-ref", prefix).c_str(), queue.transmit_ref().value));
    TRY(write_number(Value("{}rx-ring-ref", prefix).c_str(), queue.receive_ref().value));
    if (!split_events_)
        return write_number(Value("{}event-channel", prefix).c_str(), queue.transmit_port().value);
    TRY(write_number(Value("{}event-channel-tx", prefix).c_str(), queue.transmit_port().value));
    return write_number(Value("{}event-channel-rx", prefix).c_str(), queue.receive_port().value);
}

Result<void> Interface::connect()
{
    return {};
}

void Interface::let_go()
{
    before_ = counters();
    for (u32 i = 0; i < queue_count_; ++i)
        delete queues_[i];
    queue_count_ = 0;
}

Result<void> Interface::send(std::span<const u8> packet, Checksum checksum, u32 flow)
{
    if (!is_connected())
        return Error::Again;
    if ((packet.size() > page_size && !scatter_) || (checksum == Checksum::blank && !fills_checksums_))
        return Error::NotSupported;
    return queues_[flow % queue_count_]->send(packet, checksum);
}

void Interface::serve()
{
    for (u32 i = 0; i < queue_count_; ++i) {
        queues_[i]->serve();
        if (queues_[i]->complaint())
            return break_connection(queues_[i]->complaint());
    }
}

u32 Interface::room() const
{
    u32 sum = 0;
    for (u32 i = 0; i < queue_count_; ++i)
        sum += queues_[i]->room();
    return sum;
}

u32 Interface::on_the_way() const
{
    return queue_count_ * options_.transmit_pages - room();
}

Interface::Counters Interface::counters() const
{
    Counters sum = before_;
    for (u32 i = 0; i < queue_count_; ++i) {
        sum.packets_in += queues_[i]->packets_in;
        sum.packets_out += queues_[i]->packets_out;
        sum.bytes_in += queues_[i]->bytes_in;
        sum.bytes_out += queues_[i]->bytes_out;
        sum.errors += queues_[i]->errors;
    }
    return sum;
}

}
