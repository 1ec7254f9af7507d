// See disk.hpp.

#include "frontends/block/disk.hpp"

namespace xylem::frontends::block {

using Kind = IoRequest::Kind;
using Outcome = IoRequest::Outcome;

static u32 smaller(u32 a, u32 b)
{
    return a < b ? a : b;
}

Result<void> Disk::offer()
{
    const u32 wanted = smaller(smaller(options_.queues, kernel().processors()), most_queues);
    const u32 offered = offered_number("multi-queue-max-queues", wanted, 0);
    const u32 count = offered > 1 ? offered : 1;
    const u32 order = offered_number("max-ring-page-order", options_.ring_page_order, 0);
    TRY(open_queues(count, {1u << order, options_.data_pages}));
    if (count > 1)
        TRY(write_number("multi-queue-num-queues", count));
    if (order > 0)
        TRY(write_number("ring-page-order", order));
    for (u32 i = 0; i < count; ++i)
        TRY(describe_queue(*queues_[i], count > 1 ? Value("queue-{}/", i).c_str() : "", order));
    TRY(store().write(front("protocol").c_str(), abi::io::protocol_x86_64));
    return write_number("feature-persistent", 1);
}

Result<void> Disk::open_queues(u32 count, QueueShape shape)
{
    for (queue_count_ = 0; queue_count_ < count;) {
        Queue* queue = new Queue(kernel(), backend(), shape, on_event, this);
        queues_[queue_count_++] = queue;
        TRY(queue->open());
    }
    return {};
}

Result<void> Disk::describe_queue(const Queue& queue, const char* prefix, u32 ring_page_order)
{
    const GrantedPages& ring = queue.ring_pages();
    if (ring_page_order == 0)
        TRY(write_number(Value("{}ring-ref", prefix).c_str(), ring.ref(0).value));
    for (u32 i = 0; ring_page_order > 0 && i < ring.count(); ++i)
        TRY(write_number(Value("{}ring-ref{}", prefix, i).c_str(), ring.ref(i).value));
    return write_number(Value("{}event-channel", prefix).c_str(), queue.port().value);
}

Result<void> Disk::connect()
{
    const auto sectors = store().number(back("sectors").c_str());
    const auto sector_bytes = store().number(back("sector-size").c_str()).value_or(512);
    const u64 info = store().number(back("info").c_str()).value_or(0);
    const bool power_of_two = (sector_bytes & (sector_bytes - 1)) == 0;
    if (!sectors || *sectors > (~u64{0} >> 10) || sector_bytes < 512 || sector_bytes > page_size || !power_of_two)
        return Error::Invalid;
    geometry_ = {*sectors, static_cast<u32>(sector_bytes), (info & abi::io::vdisk_readonly) != 0,
                 store().flag(back("feature-flush-cache").c_str()), store().flag(back("feature-discard").c_str())};
    const u32 indirect = offered_number("feature-max-indirect-segments", most_segments, 0);
    const u32 room = options_.data_pages - 1; // a request has to fit beside its descriptors
    segments_ = smaller(
        indirect > abi::io::blkif_max_segments_per_request ? indirect : abi::io::blkif_max_segments_per_request, room);
    for (u32 i = 0; i < queue_count_; ++i)
        queues_[i]->set_segments(segments_);
    start_waiting();
    return {};
}

void Disk::let_go()
{
    // What was in service goes in front of what waits, oldest first.
    RequestList in_service;
    for (u32 i = 0; i < queue_count_; ++i) {
        while (IoRequest* request = queues_[i]->take_back())
            in_service.push_back(*request);
        delete queues_[i];
    }
    queue_count_ = 0;
    while (!waiting_.empty())
        in_service.push_back(waiting_.pop_front());
    waiting_ = in_service;
    while (!comes_back() && !waiting_.empty())
        end(waiting_.pop_front(), Outcome::failed);
}

/// Whether a request holds, as far as the disk is known.
bool Disk::can_be(const IoRequest& request) const
{
    if (request.kind == Kind::flush)
        return true;
    const u64 mask = geometry_.sector_bytes - 1;
    if (request.bytes == 0 || (request.bytes & mask) || ((request.sector * 512) & mask))
        return false;
    const u64 sectors = request.bytes / 512;
    if (sectors > geometry_.sectors || request.sector > geometry_.sectors - sectors)
        return false;
    return request.kind == Kind::read || !geometry_.read_only;
}

void Disk::submit(IoRequest& request)
{
    request.outcome = Outcome::pending;
    request.moved = 0;
    if (!comes_back())
        return end(request, Outcome::failed);
    waiting_.push_back(request);
    if (is_connected())
        start_waiting();
}

/// @return false  no queue has room for it
bool Disk::start(IoRequest& request)
{
    for (u32 tries = 0; tries < queue_count_; ++tries) {
        next_queue_ = (next_queue_ + 1) % queue_count_;
        if (queues_[next_queue_]->start(request))
            return true;
    }
    return false;
}

void Disk::start_waiting()
{
    while (!waiting_.empty()) {
        IoRequest& request = waiting_.front();
        if (!can_be(request)) {
            waiting_.pop_front();
            end(request, Outcome::failed);
        } else if ((request.kind == Kind::flush && !geometry_.flushes) ||
                   (request.kind == Kind::discard && !geometry_.discards)) {
            waiting_.pop_front();
            end(request, Outcome::unsupported);
        } else if (start(request)) {
            waiting_.pop_front();
        } else {
            break;
        }
    }
    for (u32 i = 0; i < queue_count_; ++i)
        queues_[i]->publish();
}

void Disk::serve()
{
    for (u32 i = 0; i < queue_count_; ++i) {
        while (IoRequest* request = queues_[i]->take_ended()) {
            if (request->outcome != Outcome::pending)
                end(*request, request->outcome);
            else if (request->moved == request->bytes || request->kind == Kind::flush)
                end(*request, Outcome::done);
            else
                waiting_.push_front(*request); // its next piece
        }
        if (queues_[i]->complaint())
            return break_connection(queues_[i]->complaint());
    }
    if (is_connected())
        start_waiting();
}

void Disk::end(IoRequest& request, Outcome outcome)
{
    request.outcome = outcome;
    if (request.on_done)
        request.on_done(request);
}

}
