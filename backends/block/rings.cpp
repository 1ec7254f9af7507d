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
    const auto queues = read_number(store, front + "/multi-queue-num-queues").value_or(1);
    if (queues == 0 || queues > max_queues)
        throw std::runtime_error(
            fmt::format("the frontend wants {} rings; from 1 to {} are served", queues, max_queues));
    if (queues == 1) // in the folder itself, whether the frontend knows of more or not
        return {read_ring(store, front, order)};
    std::vector<RingPlace> rings;
    for (unsigned i = 0; i < queues; ++i)
        rings.push_back(read_ring(store, fmt::format("{}/queue-{}", front, i), order));
    return rings;
}

}
