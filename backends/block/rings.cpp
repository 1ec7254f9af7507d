// See rings.hpp.
#include "backends/block/rings.hpp"

#include <fmt/format.h>
#include <stdexcept>

namespace xylem::backends::block {

static RingPlace read_ring(Store& store, const std::string& folder, std::optional<unsigned long> order)
{
    RingPlace ring;
    ring.port = Port(wanted_number(store, folder + "/event-channel"));
    if (!order)
        ring.pages.emplace_back(wanted_number(store, folder + "/ring-ref"));
    for (unsigned i = 0; order && i < 1u << *order; ++i)
        ring.pages.emplace_back(wanted_number(store, fmt::format("{}/ring-ref{}", folder, i)));
    return ring;
}

std::vector<RingPlace> read_rings(Store& store, const std::string& front)
{
    const auto order = read_number(store, front + "/ring-page-order");
    if (order && *order > max_ring_page_order)
        throw std::runtime_error(fmt::format("the frontend wants a ring of 2^{} pages, but at most 2^{} are served",
                                             *order, max_ring_page_order));
    std::vector<RingPlace> rings;
    for (const std::string& folder : queue_folders(store, front, max_queues))
        rings.push_back(read_ring(store, folder, order));
    return rings;
}

}
