// See ring_link.hpp.
#include "xenstore/daemon/ring_link.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace xylem::xenstore {

namespace {

using namespace abi::io;

uint32_t load(uint32_t& word)
{
    return std::atomic_ref(word).load(std::memory_order_seq_cst);
}
void store(uint32_t& word, uint32_t value)
{
    std::atomic_ref(word).store(value, std::memory_order_seq_cst);
}

}

RingLink::RingLink(Page& page, std::function<void()> notify) : page_(page), notify_(std::move(notify)) {}

void RingLink::start_anew()
{
    request_consumer_ = reply_producer_ = 0;
    for (uint32_t* index : {&page_.req_cons, &page_.req_prod, &page_.rsp_cons, &page_.rsp_prod, &page_.error})
        store(*index, 0);
    advertise_features();
}

void RingLink::adopt()
{
    request_consumer_ = load(page_.req_cons);
    reply_producer_ = load(page_.rsp_prod);
    advertise_features();
}

void RingLink::advertise_features()
{
    store(page_.server_features, xenstore_server_feature_reconnection | xenstore_server_feature_error);
}

bool RingLink::wants_reconnect() const
{
    return load(page_.connection) == xenstore_reconnect;
}

void RingLink::complete_reconnect()
{
    start_anew();
    store(page_.connection, xenstore_connected);
    notify_();
}

std::optional<std::size_t> RingLink::read(std::span<char> into, std::size_t wanted)
{
    const uint32_t available = load(page_.req_prod) - request_consumer_;
    if (available > xenstore_ring_size)
        return std::nullopt;
    const std::size_t count = std::min({std::size_t{available}, into.size(), wanted});
    if (count == 0)
        return 0;
    const std::size_t start = request_consumer_ % xenstore_ring_size;
    const std::size_t first = std::min(count, xenstore_ring_size - start);
    std::memcpy(into.data(), page_.req + start, first);
    std::memcpy(into.data() + first, page_.req, count - first);
    request_consumer_ += static_cast<uint32_t>(count);
    store(page_.req_cons, request_consumer_);
    notify_();
    return count;
}

std::optional<std::size_t> RingLink::write(std::string_view bytes)
{
    const uint32_t used = reply_producer_ - load(page_.rsp_cons);
    if (used > xenstore_ring_size)
        return std::nullopt;
    const std::size_t count = std::min<std::size_t>(bytes.size(), xenstore_ring_size - used);
    if (count == 0)
        return 0;
    const std::size_t start = reply_producer_ % xenstore_ring_size;
    const std::size_t first = std::min(count, xenstore_ring_size - start);
    std::memcpy(page_.rsp + start, bytes.data(), first);
    std::memcpy(page_.rsp, bytes.data() + first, count - first);
    reply_producer_ += static_cast<uint32_t>(count);
    store(page_.rsp_prod, reply_producer_);
    notify_();
    return count;
}

bool RingLink::has_unread()
{
    return load(page_.req_prod) != request_consumer_;
}

void RingLink::report(Fault fault)
{
    store(page_.error, fault == Fault::bad_indices ? xenstore_error_ringidx : xenstore_error_proto);
    notify_();
}

}
