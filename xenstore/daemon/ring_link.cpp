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

RingLink::RingLink(Page& page, const Progress& progress, std::function<void()> notify)
    : page_(page), progress_(progress), notify_(std::move(notify))
{
}

Progress RingLink::progress_of(Page& page)
{
    return {load(page.req_cons), load(page.rsp_prod)};
}

void RingLink::start_anew()
{
    for (uint32_t* index : {&page_.req_cons, &page_.req_prod, &page_.rsp_cons, &page_.rsp_prod, &page_.error})
        store(*index, 0);
    advertise_features();
}

void RingLink::resume(std::string_view last_sent)
{
    put_reply(progress_.sent - static_cast<u32>(last_sent.size()), last_sent);
    store(page_.req_cons, progress_.received);
    store(page_.rsp_prod, progress_.sent);
    advertise_features();
    notify_(); // an event may have been lost with our predecessor, or its hint to the domain
}

void RingLink::advertise_features()
{
    store(page_.server_features, xenstore_server_feature_reconnection | xenstore_server_feature_error);
}

bool RingLink::wants_reconnect(Page& page)
{
    return load(page.connection) == xenstore_reconnect;
}

void RingLink::complete_reconnect()
{
    start_anew();
    store(page_.connection, xenstore_connected);
    notify_();
}

std::optional<std::string_view> RingLink::receive(Journal& journal, u32 connection, std::size_t wanted)
{
    const uint32_t consumer = progress_.received;
    const uint32_t available = load(page_.req_prod) - consumer;
    if (available > xenstore_ring_size)
        return std::nullopt;
    const std::size_t count = std::min(std::size_t{available}, wanted);
    if (count == 0)
        return std::string_view();
    char* into = journal.room(count);
    const std::size_t start = consumer % xenstore_ring_size;
    const std::size_t first = std::min(count, xenstore_ring_size - start);
    std::memcpy(into, page_.req + start, first);
    std::memcpy(into + first, page_.req, count - first);
    journal.commit_received(connection, count);
    store(page_.req_cons, consumer + static_cast<uint32_t>(count));
    notify_();
    return journal.received(count);
}

std::optional<std::size_t> RingLink::send(Journal& journal, u32 connection, std::string_view bytes)
{
    const uint32_t producer = progress_.sent;
    const uint32_t used = producer - load(page_.rsp_cons);
    if (used > xenstore_ring_size)
        return std::nullopt;
    const std::size_t count = std::min<std::size_t>(bytes.size(), xenstore_ring_size - used);
    if (count == 0)
        return 0;
    journal.append(Journal::Kind::sent, connection, static_cast<u32>(count));
    put_reply(producer, bytes.substr(0, count));
    store(page_.rsp_prod, producer + static_cast<uint32_t>(count));
    notify_();
    return count;
}

void RingLink::put_reply(u32 at, std::string_view bytes)
{
    const std::size_t start = at % xenstore_ring_size;
    const std::size_t first = std::min(bytes.size(), xenstore_ring_size - start);
    std::memcpy(page_.rsp + start, bytes.data(), first);
    std::memcpy(page_.rsp, bytes.data() + first, bytes.size() - first);
}

bool RingLink::has_unread()
{
    return load(page_.req_prod) != progress_.received;
}

void RingLink::report(Fault fault)
{
    store(page_.error, fault == Fault::bad_indices ? xenstore_error_ringidx : xenstore_error_proto);
    notify_();
}

}
