// See queue.hpp.
#include "backends/block/queue.hpp"

#include <array>
#include <cstring>

namespace xylem::backends::block {

/// Copied data on its way at any time; a request never needs more than max_indirect_segments.
static constexpr std::size_t buffer_pages = 1024;
/// Mapped pages kept for one queue: what Linux's frontend can have in use on a ring of one page, and some.
static constexpr std::size_t pool_pages = 1408;
/// Rounds over a ring that keeps filling before other devices get their turn.
static constexpr int rounds_per_turn = 4;

/// A request in service.
class Queue::Transfer : public DiskJob {
public:
    Transfer(Queue& queue) : queue_(queue) {}
    void done(int error) override { queue_.finished(*this, error); }

    /// Where one segment's data is for the disk.
    struct Piece {
        std::byte* page;   ///< what the disk reads or writes: one of our pages, or the guest's
        std::byte* mapped; ///< the guest's, if it is mapped
        bool buffered() const { return page != mapped; }
    };

    Command command;
    u32 index = 0;
    EventLoop::Clock::time_point taken; ///< when the round began in which it was
    std::vector<Piece> pieces;          // of the first segments, as many as were attached

private:
    Queue& queue_;
};

Queue::Queue(QueueParts parts)
    : parts_(std::move(parts)), ring_(parts_.ring.data(), parts_.ring.bytes()), pool_(parts_.memory, pool_pages),
      buffers_(buffer_pages)
{
    for (u32 i = 0; i < ring_.size(); ++i)
        transfers_.push_back(std::make_unique<Transfer>(*this));
}

Queue::~Queue()
{
    *self_ = nullptr;
}

void Queue::resume()
{
    ring_.resume();
    signal_->notify(); // the predecessor may have died between answering and telling
}

void Queue::serve()
{
    if (!broken_ && !serving_)
        serve_rounds();
    if (!taking_ && idle())
        parts_.on_idle();
}

void Queue::serve_rounds()
{
    serving_ = true;
    bool more = true;
    for (int round = 0; more && round < rounds_per_turn; ++round)
        more = take_waiting() && ring_.ask_for_event();
    serving_ = false;
    publish();
    if (more)
        serve_soon();
}

/// @return whether all that waited was taken
bool Queue::take_waiting()
{
    if (!taking_ || (held_ && !try_start(*held_)))
        return false;
    std::optional<u32> waiting = ring_.waiting();
    if (!waiting) {
        break_connection("its request index runs ahead of the ring");
        return false;
    }
    if (*waiting > 0)
        round_began_ = EventLoop::Clock::now(); // one look at the clock for all of them
    for (; *waiting > 0 && !held_ && !barrier_running_ && within_limits(); --*waiting) {
        const u32 index = ring_.next_index();
        admit(ring_.take(), index);
    }
    return *waiting == 0;
}

/// Whether the guest may have another request now; if not, serve() is called when it may. What waits stays in the ring.
bool Queue::within_limits()
{
    const auto wait = parts_.limits.wait(Budget::Clock::now());
    if (wait <= Budget::Clock::duration::zero())
        return true;
    pause_ = parts_.loop.after(wait, [this] { serve(); });
    return false;
}

void Queue::admit(const Raw& raw, u32 index)
{
    Transfer& transfer = *transfers_[index & (ring_.size() - 1)];
    transfer.index = index;
    transfer.taken = round_began_;
    const Verdict verdict = decode(raw, parts_.disk.geometry(), *this, transfer.command);
    parts_.limits.spend(transfer.command.moves_data() ? transfer.command.bytes : 0);
    if (verdict == Verdict::good) {
        if (!try_start(transfer)) {
            held_ = &transfer;
            dom0::add(parts_.counters.waits, 1);
        }
        return;
    }
    dom0::add(parts_.counters.refused, 1);
    if (verdict == Verdict::bad && log_limit_.allows())
        log("{}: refused a request of the guest that does not hold: operation {}, {} segments, sector {}", parts_.name,
            static_cast<unsigned>(raw.operation), raw.nr_segments, raw.sector_number);
    answer(transfer, verdict == Verdict::bad ? Status::error : Status::eopnotsupp);
}

/// @return false  it has to wait; serve() tries again when something finishes
bool Queue::try_start(Transfer& transfer)
{
    const bool barrier = transfer.command.kind == Command::Kind::barrier;
    if (barrier && in_flight_ > 0)
        return false;
    const Attached attached = attach_memory(transfer);
    if (attached == Attached::no_room && in_flight_ > 0)
        return false;
    held_ = nullptr;
    if (attached != Attached::yes) {
        if (log_limit_.allows())
            log("{}: the guest named a page that it does not grant", parts_.name);
        count(transfer, false);
        answer(transfer, Status::error);
        return true;
    }
    static constexpr std::array kinds{DiskJob::Kind::read, DiskJob::Kind::write, DiskJob::Kind::flush,
                                      DiskJob::Kind::write, DiskJob::Kind::discard};
    transfer.kind = kinds[static_cast<unsigned>(transfer.command.kind)];
    transfer.offset = transfer.command.offset;
    transfer.bytes = transfer.command.bytes;
    if (barrier && transfer.bytes == 0)
        transfer.kind = DiskJob::Kind::flush;
    barrier_running_ = barrier;
    ++in_flight_;
    parts_.disk.submit(transfer);
    return true;
}

bool Queue::fetch(std::span<const GrantRef> pages, std::span<abi::io::BlkifRequestSegment> out)
{
    if (parts_.grants == Grants::persistent) {
        const auto [outcome, page] = pool_.acquire(pages[0]);
        if (outcome == GrantPool::Outcome::mapped) {
            for (std::size_t i = 0; i < out.size(); ++i)
                out[i] = copy_once<abi::io::BlkifRequestSegment>(page + i * sizeof out[0]);
            pool_.release(pages[0]);
            return true;
        }
        if (outcome == GrantPool::Outcome::refused)
            return false;
    }
    GrantCopy step =
        GrantCopy::from_guest({parts_.memory.domain(), pages[0]}, 0, out.data(), static_cast<u16>(out.size_bytes()));
    parts_.memory.copy({&step, 1});
    return step.done();
}

Queue::Attached Queue::attach_memory(Transfer& transfer)
{
    transfer.pieces.clear();
    transfer.vectors.clear();
    for (const Segment& segment : transfer.command.segments)
        if (const Attached attached = attach_segment(transfer, segment); attached != Attached::yes) {
            detach_memory(transfer);
            return attached;
        }
    if (transfer.command.kind != Command::Kind::read && !copy_buffered(transfer)) {
        detach_memory(transfer);
        return Attached::refused;
    }
    return Attached::yes;
}

Queue::Attached Queue::attach_segment(Transfer& transfer, const Segment& segment)
{
    std::byte* mapped = nullptr;
    if (parts_.grants == Grants::persistent) {
        const auto [outcome, page] = pool_.acquire(segment.ref);
        if (outcome == GrantPool::Outcome::refused)
            return Attached::refused;
        if (outcome == GrantPool::Outcome::mapped)
            mapped = page;
    }
    Transfer::Piece piece{mapped, mapped};
    if (!mapped || parts_.disk.geometry().holds_pages) {
        if (!buffers_.available(1)) {
            if (mapped)
                pool_.release(segment.ref);
            return Attached::no_room;
        }
        piece.page = buffers_.take();
    }
    transfer.pieces.push_back(piece);
    transfer.vectors.push_back({piece.page + segment.offset, segment.bytes});
    return Attached::yes;
}

void Queue::detach_memory(Transfer& transfer)
{
    for (std::size_t i = 0; i < transfer.pieces.size(); ++i) {
        if (transfer.pieces[i].buffered())
            buffers_.give_back(transfer.pieces[i].page);
        if (transfer.pieces[i].mapped)
            pool_.release(transfer.command.segments[i].ref);
    }
    transfer.pieces.clear();
}

/// Copies what lies in our buffers: from the guest before a write, to the guest after a read.
bool Queue::copy_buffered(Transfer& transfer)
{
    const bool to_guest = transfer.command.kind == Command::Kind::read;
    copies_.clear();
    for (std::size_t i = 0; i < transfer.pieces.size(); ++i) {
        const Transfer::Piece& piece = transfer.pieces[i];
        if (!piece.buffered())
            continue;
        const Segment& segment = transfer.command.segments[i];
        std::byte* data = piece.page + segment.offset;
        if (piece.mapped) {
            std::byte* theirs = piece.mapped + segment.offset;
            std::memcpy(to_guest ? theirs : data, to_guest ? data : theirs, segment.bytes);
            continue;
        }
        const dom0::Grant grant{parts_.memory.domain(), segment.ref};
        copies_.push_back(to_guest ? GrantCopy::to_guest(data, grant, segment.offset, segment.bytes)
                                   : GrantCopy::from_guest(grant, segment.offset, data, segment.bytes));
    }
    if (copies_.empty())
        return true;
    parts_.memory.copy(copies_);
    for (const GrantCopy& step : copies_)
        if (!step.done())
            return false;
    return true;
}

void Queue::finished(Transfer& transfer, int error)
{
    const Command::Kind kind = transfer.command.kind;
    if (kind == Command::Kind::barrier && error == 0 && transfer.kind == DiskJob::Kind::write) {
        transfer.kind = DiskJob::Kind::flush; // the barrier's data must be on the disk before anything after it
        parts_.disk.submit(transfer);
        return;
    }
    if (error != 0 && log_limit_.allows())
        log("{}: the disk failed an operation of {} bytes at byte {}: {}", parts_.name, transfer.command.bytes,
            transfer.command.offset, std::strerror(error));
    const bool good = error == 0 && (kind != Command::Kind::read || copy_buffered(transfer));
    detach_memory(transfer);
    --in_flight_;
    if (kind == Command::Kind::barrier)
        barrier_running_ = false;
    count(transfer, good);
    answer(transfer, good ? Status::okay : error == EOPNOTSUPP ? Status::eopnotsupp : Status::error);
    if (!serving_)
        serve_soon();
}

void Queue::count(const Transfer& transfer, bool good)
{
    using enum dom0::DiskOperation;
    static constexpr std::array operations{read, write, flush, write, discard};
    const auto took =
        std::chrono::duration_cast<std::chrono::nanoseconds>(EventLoop::Clock::now() - transfer.taken).count();
    parts_.counters.of(operations[static_cast<unsigned>(transfer.command.kind)])
        .count(transfer.command.bytes / 512, static_cast<u64>(took), good);
}

void Queue::answer(Transfer& transfer, Status status)
{
    Response response{};
    response.id = transfer.command.id;
    response.operation = transfer.command.reply_operation;
    response.status = status;
    ring_.finish(transfer.index, response);
}

/// At the end of this turn: answers all that finished in it under one notification, and takes what had to wait.
void Queue::serve_soon()
{
    if (std::exchange(serve_deferred_, true))
        return;
    parts_.loop.defer([self = self_] {
        Queue* queue = *self;
        if (!queue)
            return;
        queue->serve_deferred_ = false;
        queue->serve();
    });
}

void Queue::publish()
{
    if (ring_.publish())
        signal_->notify();
}

void Queue::break_connection(const char* why)
{
    broken_ = true;
    log("{}: closing the device, for the guest broke the protocol: {}", parts_.name, why);
    parts_.loop.defer(parts_.on_broken);
}

}
