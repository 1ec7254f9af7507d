// See device.hpp.
#include "backends/block/device.hpp"

#include "hypervisor/abi/io/xenbus.hpp"

#include <algorithm>
#include <unistd.h>

namespace xylem::backends::block {

static std::string counters_path(const DevicePlace& place)
{
    return dom0::disk_counters_path(dom0::disk_counters_folder, place.peer, place.number);
}

BlockDevice::BlockDevice(Context context, DevicePlace place, DeviceEvents events)
    : context_(context), place_(std::move(place)), events_(std::move(events)),
      name_(fmt::format("vbd {}/{}", place_.peer.value, place_.number)), memory_(context.grants, place_.peer)
{
}

BlockDevice::~BlockDevice()
{
    if (!quiesced_) // else our successor goes on counting
        unlink(counters_path(place_).c_str());
}

Entries BlockDevice::prepare()
{
    const std::string params = context_.store.read(place_.back + "/params").value_or("");
    if (params.empty())
        throw std::runtime_error(fmt::format("{}: the node {}/params names no file", name_, place_.back));
    const bool writable = context_.store.read(place_.back + "/mode").value_or("r").starts_with('w');
    limits_ = read_limits(context_.store, place_.back, Budget::Clock::now());
    try {
        OpenedDisk opened =
            open_disk(context_.loop, context_.io, params, writable ? Access::read_write : Access::read_only);
        disk_ = std::move(opened.disk);
        log("{}: {} opened {}, {} MiB, by {}", name_, opened.path, writable ? "for writing" : "read-only",
            disk_->geometry().bytes >> 20, opened.method);
    } catch (const DiskBusy& busy) {
        throw NotYet(busy.what());
    }
    return features();
}

Entries BlockDevice::features() const
{
    const Geometry& disk = disk_->geometry();
    Entries nodes{{"max-ring-page-order", std::to_string(max_ring_page_order)},
                  {"multi-queue-max-queues", std::to_string(max_queues)},
                  {"feature-max-indirect-segments", std::to_string(max_indirect_segments)},
                  {"feature-flush-cache", "1"},
                  {"feature-barrier", "1"},
                  {"feature-persistent", "1"}};
    const bool wanted = read_number(context_.store, place_.back + "/discard-enable").value_or(1) != 0;
    if (disk.discards && wanted) {
        nodes.emplace_back("feature-discard", "1");
        nodes.emplace_back("discard-granularity", std::to_string(disk.discard_granularity));
        nodes.emplace_back("discard-alignment", "0");
        nodes.emplace_back("discard-secure", "0");
    }
    return nodes;
}

void BlockDevice::check_protocol()
{
    const std::string protocol = context_.store.read(place_.front + "/protocol").value_or("");
    if (!protocol.empty() && protocol != abi::io::protocol_x86_64)
        throw std::runtime_error(fmt::format("the frontend speaks the protocol \"{}\", but only \"{}\" is served",
                                             protocol, abi::io::protocol_x86_64));
}

void BlockDevice::connect_ring(const RingPlace& place, Grants grants)
{
    MappedPages pages(memory_, place.pages);
    if (!pages)
        throw std::runtime_error(
            fmt::format("the frontend's ring page (grant reference {}) cannot be mapped", place.pages[0].value));
    Queue& queue = *queues_.emplace_back(std::make_unique<Queue>(QueueParts{
        context_.loop, memory_, *disk_, limits_, *counters_, std::move(pages), grants, name_,
        [this] { events_.on_broken("the frontend broke the ring protocol"); }, [this] { queue_is_idle(); }}));
    queue.set_signal(context_.events.bind(place_.peer, place.port, [&queue] { queue.serve(); }));
}

void BlockDevice::open_counters(Begin begin)
{
    using Counters = dom0::SharedDiskCounters;
    try {
        counters_ =
            Counters(counters_path(place_), begin == Begin::resumed ? Counters::Begin::as_left : Counters::Begin::anew);
    } catch (const std::exception& error) {
        log("{}: nobody will see what it does: {}", name_, error.what());
    }
}

Entries BlockDevice::connect(Begin begin)
{
    check_protocol();
    open_counters(begin);
    rest_.state = Rest::State::due;
    const bool persistent = read_flag(context_.store, place_.front + "/feature-persistent");
    for (const RingPlace& ring : read_rings(context_.store, place_.front))
        connect_ring(ring, persistent ? Grants::persistent : Grants::copied);
    for (const auto& queue : queues_) { // all could be had: a frontend that is refused has nothing in service
        if (begin == Begin::fresh)
            queue->start();
        else
            queue->resume();
        queue->serve(); // a resumed ring may hold requests for which no event will come
    }
    const Geometry& disk = disk_->geometry();
    const u32 info = disk.access == Access::read_only ? abi::io::vdisk_readonly : 0;
    return {{"sectors", std::to_string(disk.sectors())},
            {"info", std::to_string(info)},
            {"sector-size", std::to_string(disk.sector_bytes)},
            {"physical-sector-size", std::to_string(disk.physical_sector_bytes)}};
}

void BlockDevice::stop_taking()
{
    for (const auto& queue : queues_)
        queue->stop_taking();
}

bool BlockDevice::queues_idle() const
{
    return std::all_of(queues_.begin(), queues_.end(), [](const auto& queue) { return queue->idle(); });
}

bool BlockDevice::disconnect()
{
    stop_taking();
    if (!queues_idle())
        return false;
    queues_.clear();
    return rest();
}

void BlockDevice::quiesce()
{
    quiesced_ = true;
    stop_taking();
    if (queues_idle())
        rest();
}

bool BlockDevice::idle() const
{
    return queues_idle() && (!disk_ || rest_.state == Rest::State::done);
}

/// Has the disk tidy up, once after each connection. @return whether it has
bool BlockDevice::rest()
{
    if (disk_ && rest_.state == Rest::State::due) {
        rest_.state = Rest::State::running;
        rest_.kind = DiskJob::Kind::rest;
        disk_->submit(rest_);
    }
    return rest_.state != Rest::State::running;
}

void BlockDevice::queue_is_idle()
{
    if (quiesced_ && queues_idle())
        rest();
    events_.on_idle();
}

}
