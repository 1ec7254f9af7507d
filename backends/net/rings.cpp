// See rings.hpp.
#include "backends/net/rings.hpp"

#include <fmt/format.h>
#include <stdexcept>

namespace xylem::backends::net {

static RingPlace read_pair(Store& store, const std::string& folder)
{
    RingPlace place;
    place.transmit_page = GrantRef(wanted_number(store, folder + "/tx-ring-ref"));
    place.receive_page = GrantRef(wanted_number(store, folder + "/rx-ring-ref"));
    const bool split = store.read(folder + "/event-channel-tx").has_value();
    place.transmit_port = Port(wanted_number(store, folder + (split ? "/event-channel-tx" : "/event-channel")));
    if (split)
        place.receive_port = Port(wanted_number(store, folder + "/event-channel-rx"));
    return place;
}

std::vector<RingPlace> read_rings(Store& store, const std::string& front)
{
    const auto queues = read_number(store, front + "/multi-queue-num-queues").value_or(1);
    if (queues == 0 || queues > most_queues)
        throw std::runtime_error(
            fmt::format("the frontend wants {} queues; from 1 to {} are served", queues, most_queues));
    if (queues == 1) // in the folder itself, whether the frontend knows of more or not
        return {read_pair(store, front)};
    std::vector<RingPlace> rings;
    for (unsigned i = 0; i < queues; ++i)
        rings.push_back(read_pair(store, fmt::format("{}/queue-{}", front, i)));
    return rings;
}

}
