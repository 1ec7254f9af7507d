// See rings.hpp.
#include "backends/net/rings.hpp"

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
    std::vector<RingPlace> rings;
    for (const std::string& folder : queue_folders(store, front, most_queues))
        rings.push_back(read_pair(store, folder));
    return rings;
}

}
