// The FIFO ABI: an event is a word in pages that the guest gave, and pending words are linked into queues by priority.
//
// A vCPU has sixteen queues. A queue is a list through the words' link fields; its head stands in the vCPU's control
// block until the guest takes it, its tail is ours. To append: the tail's word is changed to link to the new port, if
// it is still LINKED; if not, the guest has taken everything, and the new port becomes the head. The guest unlinks by
// clearing LINKED and reading the link in one step, so either it sees our link or we see that it has gone. Words are
// the guest's memory: a port number is never read back from them, and what a guest writes there spoils only its own
// queues.
//
// All of it happens under the table's fifo_lock, a leaf: sending to one domain from many processors is serialised for
// the few steps that it takes, and a queue is never seen half changed. The guest's side needs no lock of ours.

#include "event_channels/ports.hpp"

#include "hypervisor/mm/heap.hpp"
#include "hypervisor/mm/page_type.hpp"
#include "hypervisor/mm/references.hpp"

#include <bit>

namespace xylem::event_channels {

namespace {

constexpr u32 pending_bit = u32{1} << abi::evtchn_fifo_pending;
constexpr u32 masked_bit = u32{1} << abi::evtchn_fifo_masked;
constexpr u32 linked_bit = u32{1} << abi::evtchn_fifo_linked;
constexpr u32 busy_bit = u32{1} << abi::evtchn_fifo_busy;

/// A guest may change the tail's word while we link to it; after so many changes it does so on purpose.
constexpr unsigned link_attempts = 5;

/// The event word of a port. @return null if the guest has given no page for it
u32* word_of(const Fifo& fifo, Port port)
{
    const u32 page = port.value / Fifo::words_per_page;
    return page < fifo.page_count ? &fifo.pages[page][port.value % Fifo::words_per_page] : nullptr;
}

/// Makes the word of a queue's tail link to `port`. BUSY keeps the guest from unmasking, which also changes the word.
/// @return whether the tail was still in the queue
bool link_behind(u32* tail, Port port)
{
    u32 seen = atomic_load(tail);
    for (unsigned attempt = 0; attempt < link_attempts; ++attempt) {
        if (!(seen & linked_bit)) {
            if (attempt > 0)
                atomic_and(tail, ~busy_bit);
            return false;
        }
        const u32 linking = (seen & ~(busy_bit | abi::evtchn_fifo_link_mask)) | port.value;
        if (atomic_compare_exchange(tail, seen, linking))
            return true;
        if (attempt == 0)
            seen = atomic_or(tail, busy_bit) | busy_bit;
    }
    atomic_and(tail, ~busy_bit);
    return true; // the event is lost, to a guest that fights for its own queue
}

/// Puts a port whose word is newly LINKED at the end of its queue. @return whether the queue is newly ready
bool append(Table& table, VcpuEvents& events, Channel& channel, Port port)
{
    // A port that was a tail and is no longer linked leaves its old queue empty: the tail must not be linked to any
    // more.
    VcpuEvents* old_events = table.vcpus[channel.queued_vcpu];
    if (old_events && old_events->queue_tails[channel.queued_priority] == port.value)
        old_events->queue_tails[channel.queued_priority] = 0;

    const u8 priority = __atomic_load_n(&channel.priority, __ATOMIC_RELAXED);
    channel.queued_vcpu = static_cast<u8>(events.id.value);
    channel.queued_priority = priority;

    u32& tail = events.queue_tails[priority];
    u32* tail_word = tail != 0 ? word_of(*table.fifo, Port(tail)) : nullptr;
    const bool linked = tail_word && link_behind(tail_word, port);
    tail = port.value;
    if (linked)
        return false;
    abi::EvtchnFifoControlBlock& control = *events.control_block;
    atomic_store(&control.head[priority], port.value);
    const u32 ready = u32{1} << priority;
    return !(atomic_or(&control.ready, ready) & ready);
}

struct Raised {
    bool newly_pending = false;
    bool newly_ready = false;
};

Raised raise_locked(Table& table, VcpuEvents& events, Channel& channel, Port port)
{
    u32* word = word_of(*table.fifo, port);
    if (!word) {
        channel.pending_without_word = 1;
        return {};
    }
    Raised raised;
    raised.newly_pending = !(atomic_or(word, pending_bit) & pending_bit);
    if (!events.control_block)
        return raised; // a guest gives the control block before it unmasks anything
    if (!(atomic_load(word) & masked_bit) && !(atomic_or(word, linked_bit) & linked_bit))
        raised.newly_ready = append(table, events, channel, port);
    return raised;
}

/// Remembers what is pending in the 2-level bits, which nobody looks at from now on.
void remember_two_level(Table& table)
{
    constexpr u32 word_bits = 64;
    static_assert(channels_per_bucket % word_bits == 0, "a word's channels lie in a row");
    for (u32 first = 0; first < abi::evtchn_2l_nr_channels; first += word_bits) {
        Channel* channels = find(table, Port(first));
        if (!channels)
            return; // buckets are filled from below
        u64 pending = atomic_load(&table.shared_info->evtchn_pending[first / word_bits]);
        if (first == 0)
            pending &= ~u64{1}; // no port
        for (; pending; pending &= pending - 1)
            channels[std::countr_zero(pending)].pending_without_word = 1;
    }
}

Result<void> map_control_block(Table& table, VcpuEvents& events, Mfn page, u32 offset)
{
    if (events.control_block)
        return Error::Invalid;
    TRY(mm::get_writable_page(*table.owner, page));
    LockGuard guard(table.fifo_lock);
    events.control_block = machine::map<abi::EvtchnFifoControlBlock>(address_of(page) + offset);
    return {};
}

/// What was raised while the last page was missing is raised now. Under the table's lock.
/// @return Preempted  call again: what has been raised is no longer remembered
Result<void> raise_remembered(Table& table, Fifo& fifo)
{
    if (fifo.raised_pages == fifo.page_count)
        return {};
    const u32 first = fifo.raised_pages * Fifo::words_per_page;
    u32 raised = 0;
    for (u32 port = first; port < first + Fifo::words_per_page; ++port) {
        Channel* channel = find(table, Port(port));
        if (!channel)
            break;
        if (!channel->pending_without_word)
            continue;
        channel->pending_without_word = 0;
        fifo::raise(table, *channel, Port(port));
        if (++raised % 64 == 0 && mm::preemption_check && mm::preemption_check())
            return Error::Preempted;
    }
    ++fifo.raised_pages;
    return {};
}

void switch_to_fifo(Table& table, Fifo& fresh)
{
    LockGuard guard(table.fifo_lock);
    // First the switch, then the look at the old bits: whoever raises sets the bit first and looks for the switch
    // after.
    __atomic_store_n(&table.fifo, &fresh, __ATOMIC_SEQ_CST);
    remember_two_level(table);
}

}

namespace fifo {

void raise(Table& table, Channel& channel, Port port)
{
    Raised raised;
    VcpuEvents* events = table.vcpus[__atomic_load_n(&channel.notify_vcpu, __ATOMIC_RELAXED)];
    {
        LockGuard guard(table.fifo_lock);
        if (!table.fifo || !events)
            return; // a reset closed the port meanwhile
        raised = raise_locked(table, *events, channel, port);
    }
    if (raised.newly_ready)
        mark_events_pending(*events);
    if (raised.newly_pending)
        wake_pollers(table, port);
}

void unmask(Table& table, Channel& channel, Port port)
{
    {
        LockGuard guard(table.fifo_lock);
        u32* word = table.fifo ? word_of(*table.fifo, port) : nullptr;
        if (!word || !(atomic_and(word, ~masked_bit) & pending_bit))
            return;
    }
    fifo::raise(table, channel, port);
}

void forget_pending(Table& table, Channel& channel, Port port)
{
    LockGuard guard(table.fifo_lock);
    channel.pending_without_word = 0;
    if (u32* word = table.fifo ? word_of(*table.fifo, port) : nullptr)
        atomic_and(word, ~pending_bit); // the guest unlinks it, and passes over what is not pending
}

bool is_pending(Table& table, Port port)
{
    LockGuard guard(table.fifo_lock);
    const u32* word = table.fifo ? word_of(*table.fifo, port) : nullptr;
    return word && (atomic_load(word) & pending_bit);
}

bool is_linked(Table& table, Port port)
{
    if (!uses_fifo(table))
        return false;
    LockGuard guard(table.fifo_lock);
    const u32* word = table.fifo ? word_of(*table.fifo, port) : nullptr;
    return word && (atomic_load(word) & linked_bit);
}

void tear_down(Table& table)
{
    Fifo* fifo = nullptr;
    const void* control_blocks[max_vcpus] = {};
    {
        LockGuard guard(table.fifo_lock);
        fifo = table.fifo;
        __atomic_store_n(&table.fifo, nullptr, __ATOMIC_SEQ_CST);
        for (unsigned i = 0; i < max_vcpus; ++i) {
            if (VcpuEvents* events = table.vcpus[i]) {
                control_blocks[i] = events->control_block;
                events->control_block = nullptr;
                for (u32& tail : events->queue_tails)
                    tail = 0;
            }
        }
    }
    for (const void* block : control_blocks)
        if (block)
            mm::put_writable_page(machine::mfn_of_mapped(block));
    if (!fifo)
        return;
    for (u32 i = 0; i < fifo->page_count; ++i)
        mm::put_writable_page(machine::mfn_of_mapped(fifo->pages[i]));
    mm::destroy(fifo);
}

}

Result<void> init_control(Table& table, Mfn page, u32 offset, VcpuId vcpu)
{
    VcpuEvents* events = vcpu.value < max_vcpus ? table.vcpus[vcpu.value] : nullptr;
    if (!events)
        return Error::NoEntry;
    if (offset > page_size - sizeof(abi::EvtchnFifoControlBlock) || offset % sizeof(u64) != 0)
        return Error::Invalid;
    LockGuard guard(table.lock);
    if (table.dying)
        return Error::Invalid;
    if (table.fifo)
        return map_control_block(table, *events, page, offset);

    Fifo* fresh = mm::make<Fifo>();
    if (!fresh)
        return Error::NoMemory;
    const Result<void> mapped = map_control_block(table, *events, page, offset);
    if (!mapped.ok()) {
        mm::destroy(fresh);
        return mapped.error();
    }
    switch_to_fifo(table, *fresh);
    return {};
}

Result<void> expand_array(Table& table, Mfn page)
{
    LockGuard guard(table.lock);
    if (!table.fifo)
        return Error::NotSupported;
    Fifo& fifo = *table.fifo;
    const bool continued =
        fifo.raised_pages < fifo.page_count && fifo.pages[fifo.page_count - 1] == machine::map<u32>(page);
    TRY(raise_remembered(table, fifo));
    if (continued)
        return {};
    if (fifo.page_count == Fifo::max_pages)
        return Error::NoSpace;
    TRY(mm::get_writable_page(*table.owner, page));
    {
        LockGuard queue(table.fifo_lock);
        fifo.pages[fifo.page_count] = machine::map<u32>(page);
        ++fifo.page_count;
    }
    return raise_remembered(table, fifo);
}

}
