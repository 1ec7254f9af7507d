// See queue.hpp.

#include "frontends/block/queue.hpp"

namespace xylem::frontends::block {

using abi::io::BlkifOp;
using abi::io::BlkifStatus;
using Kind = IoRequest::Kind;

static constexpr u32 sectors_per_page = page_size / abi::io::blkif_sector_bytes;

Queue::~Queue()
{
    delete[] slots_;
    delete[] free_pages_;
}

Result<void> Queue::open()
{
    TRY(ring_pages_.acquire(kernel_, backend_, shape_.ring_pages));
    TRY(data_pages_.acquire(kernel_, backend_, shape_.data_pages));
    ring_.emplace(ring_pages_.page(0), shape_.ring_pages * page_size);
    slots_ = new Slot[ring_->size()];
    free_pages_ = new u16[shape_.data_pages];
    for (u32 i = 0; i < shape_.data_pages; ++i)
        free_pages_[free_page_count_++] = static_cast<u16>(i);
    return port_.acquire(kernel_, backend_, on_event_, context_);
}

static BlkifOp operation_of(Kind kind)
{
    switch (kind) {
    case Kind::read:
        return BlkifOp::read;
    case Kind::write:
        return BlkifOp::write;
    case Kind::flush:
        return BlkifOp::flush_diskcache;
    case Kind::discard:
        break;
    }
    return BlkifOp::discard;
}

static bool moves_data(Kind kind)
{
    return kind == Kind::read || kind == Kind::write;
}

/// Bytes that go in one request of the ring.
u64 Queue::piece_of(const IoRequest& request) const
{
    const u64 left = request.bytes - request.moved, most = segments_ * page_size;
    return moves_data(request.kind) && left > most ? most : left;
}

bool Queue::start(IoRequest& request)
{
    if (complaint_ || ring_->room() == 0)
        return false;
    u32 id = 0;
    while (slots_[id].request) // the ring has room, so there is a free one
        ++id;
    Slot& slot = slots_[id];
    const u64 bytes = piece_of(request);
    const u32 segments = moves_data(request.kind) ? static_cast<u32>(pages_for(bytes)) : 0;
    const bool indirect = segments > abi::io::blkif_max_segments_per_request;
    if (segments + indirect > free_page_count_)
        return false;
    for (slot.pages = 0; slot.pages < segments + indirect; ++slot.pages)
        slot.page[slot.pages] = free_pages_[--free_page_count_];
    slot.request = &request;
    slot.bytes = bytes;
    slot.order = started_++;
    if (request.kind == Kind::write)
        copy(slot, Kind::write);
    if (indirect)
        push_indirect(id, slot);
    else
        push(id, slot);
    return true;
}

/// Between the program's memory and the granted pages.
void Queue::copy(const Slot& slot, Kind direction)
{
    u8* program = slot.request->data + slot.request->moved;
    for (u64 at = 0; at < slot.bytes; at += page_size) {
        u8* page = data_pages_.page(slot.page[at / page_size]);
        const u64 bytes = slot.bytes - at < page_size ? slot.bytes - at : page_size;
        if (direction == Kind::write)
            __builtin_memcpy(page, program + at, bytes);
        else
            __builtin_memcpy(program + at, page, bytes);
    }
}

/// Data begin at the start of their pages, and fill all but the last.
abi::io::BlkifRequestSegment Queue::segment(const Slot& slot, u32 number) const
{
    const u64 left = (slot.bytes - number * page_size) / abi::io::blkif_sector_bytes;
    const u64 sectors = left < sectors_per_page ? left : sectors_per_page;
    return {data_pages_.ref(slot.page[number]).value, 0, static_cast<u8>(sectors - 1)};
}

static u64 sector_of(const IoRequest& request)
{
    return request.sector + request.moved / abi::io::blkif_sector_bytes;
}

void Queue::push(u64 id, const Slot& slot)
{
    const IoRequest& request = *slot.request;
    if (request.kind == Kind::discard) {
        const u64 sectors = slot.bytes / abi::io::blkif_sector_bytes;
        ring_->push(abi::io::BlkifRequestDiscard{BlkifOp::discard, 0, 0, id, sector_of(request), sectors});
        return;
    }
    abi::io::BlkifRequest raw{};
    raw.operation = operation_of(request.kind);
    raw.nr_segments = static_cast<u8>(slot.pages);
    raw.id = id;
    raw.sector_number = request.kind == Kind::flush ? 0 : sector_of(request);
    for (u32 i = 0; i < slot.pages; ++i)
        raw.seg[i] = segment(slot, i);
    ring_->push(raw);
}

void Queue::push_indirect(u64 id, const Slot& slot)
{
    const u32 segments = slot.pages - 1, descriptors = slot.page[segments];
    for (u32 i = 0; i < segments; ++i) {
        const abi::io::BlkifRequestSegment entry = segment(slot, i);
        __builtin_memcpy(data_pages_.page(descriptors) + i * sizeof entry, &entry, sizeof entry);
    }
    abi::io::BlkifRequestIndirect raw{};
    raw.operation = BlkifOp::indirect;
    raw.indirect_op = operation_of(slot.request->kind);
    raw.nr_segments = static_cast<u16>(segments);
    raw.id = id;
    raw.sector_number = sector_of(*slot.request);
    raw.indirect_grefs[0] = data_pages_.ref(descriptors).value;
    ring_->push(raw);
}

void Queue::publish()
{
    if (ring_->publish())
        port_.notify();
}

/// The request that a response is for; null if it is for none that is in service.
Queue::Slot* Queue::slot_of(const Response& response)
{
    if (response.id >= ring_->size())
        return nullptr;
    Slot& slot = slots_[response.id];
    return slot.request && response.operation == operation_of(slot.request->kind) ? &slot : nullptr;
}

IoRequest* Queue::take_ended()
{
    if (complaint_)
        return nullptr;
    const auto waiting = ring_->waiting_or_event();
    if (!waiting) {
        complaint_ = "its response index runs ahead of the requests";
        return nullptr;
    }
    if (*waiting == 0)
        return nullptr;
    const Response response = ring_->take();
    Slot* slot = slot_of(response);
    if (!slot) {
        complaint_ = "it answered a request that is not in service";
        return nullptr;
    }
    IoRequest* request = slot->request;
    finish(*slot, response.status);
    return request;
}

void Queue::finish(Slot& slot, BlkifStatus status)
{
    IoRequest& request = *slot.request;
    if (status == BlkifStatus::okay) {
        if (request.kind == Kind::read)
            copy(slot, Kind::read);
        request.moved += slot.bytes;
    } else {
        request.outcome =
            status == BlkifStatus::eopnotsupp ? IoRequest::Outcome::unsupported : IoRequest::Outcome::failed;
    }
    free(slot);
}

void Queue::free(Slot& slot)
{
    while (slot.pages > 0)
        free_pages_[free_page_count_++] = slot.page[--slot.pages];
    slot.request = nullptr;
}

IoRequest* Queue::take_back()
{
    Slot* oldest = nullptr;
    for (u32 i = 0; slots_ && i < ring_->size(); ++i)
        if (slots_[i].request && (!oldest || slots_[i].order < oldest->order))
            oldest = &slots_[i];
    if (!oldest)
        return nullptr;
    IoRequest* request = oldest->request;
    free(*oldest);
    return request;
}

}
