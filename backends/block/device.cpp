// See device.hpp.
#include "backends/block/device.hpp"

#include "hypervisor/abi/io/xenbus.hpp"

namespace xylem::backends::block {

/// A ring of up to 2^4 pages, as Linux's backend offers.
static constexpr unsigned max_ring_page_order = 4;

BlockDevice::BlockDevice(Context context, DevicePlace place, DeviceEvents events)
    : context_(context), place_(std::move(place)), events_(std::move(events)),
      name_(fmt::format("vbd {}/{}", place_.peer.value, place_.number)), memory_(context.grants, place_.peer)
{
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

static unsigned long wanted_number(Store& store, const std::string& path)
{
    if (const auto number = read_number(store, path))
        return *number;
    throw std::runtime_error(fmt::format("the frontend's node {} is missing or no number", path));
}

std::vector<GrantRef> BlockDevice::ring_refs()
{
    const auto order = read_number(context_.store, place_.front + "/ring-page-order");
    const auto ref_at = [&](const std::string& node) {
        return GrantRef(static_cast<u32>(wanted_number(context_.store, place_.front + node)));
    };
    if (!order)
        return {ref_at("/ring-ref")};
    if (*order > max_ring_page_order)
        throw std::runtime_error(fmt::format("the frontend wants a ring of 2^{} pages, but at most 2^{} are served",
                                             *order, max_ring_page_order));
    std::vector<GrantRef> refs;
    for (unsigned i = 0; i < 1u << *order; ++i)
        refs.push_back(ref_at(fmt::format("/ring-ref{}", i)));
    return refs;
}

MappedPages BlockDevice::map_ring()
{
    const std::vector<GrantRef> refs = ring_refs();
    MappedPages ring(memory_, refs);
    if (!ring)
        throw std::runtime_error(
            fmt::format("the frontend's ring page (grant reference {}) cannot be mapped", refs[0].value));
    return ring;
}

Entries BlockDevice::connect(Begin begin)
{
    check_protocol();
    rest_.state = Rest::State::due;
    const bool persistent = read_flag(context_.store, place_.front + "/feature-persistent");
    const Port port(static_cast<u32>(wanted_number(context_.store, place_.front + "/event-channel")));
    queue_ = std::make_unique<Queue>(QueueParts{
        context_.loop, memory_, *disk_, limits_, map_ring(), persistent ? Grants::persistent : Grants::copied, name_,
        [this] { events_.on_broken("the frontend broke the ring protocol"); }, [this] { queue_is_idle(); }});
    queue_->set_signal(context_.events.bind(place_.peer, port, [this] { queue_->serve(); }));
    if (begin == Begin::fresh)
        queue_->start();
    else
        queue_->resume();
    queue_->serve(); // a resumed ring may hold requests for which no event will come
    const Geometry& disk = disk_->geometry();
    const u32 info = disk.access == Access::read_only ? abi::io::vdisk_readonly : 0;
    return {{"sectors", std::to_string(disk.sectors())},
            {"info", std::to_string(info)},
            {"sector-size", std::to_string(disk.sector_bytes)},
            {"physical-sector-size", std::to_string(disk.physical_sector_bytes)}};
}

bool BlockDevice::disconnect()
{
    if (!queue_)
        return rest();
    queue_->stop_taking();
    if (!queue_->idle())
        return false;
    queue_.reset();
    return rest();
}

void BlockDevice::quiesce()
{
    quiesced_ = true;
    if (queue_)
        queue_->stop_taking();
    if (!queue_ || queue_->idle())
        rest();
}

bool BlockDevice::idle() const
{
    return (!queue_ || queue_->idle()) && (!disk_ || rest_.state == Rest::State::done);
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
    if (quiesced_)
        rest();
    events_.on_idle();
}

}
