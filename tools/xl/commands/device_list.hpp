// What block-list, network-list and channel-list share: a line a device, or rows for programs.
#pragma once

#include "tools/xl/device.hpp"
#include "tools/xl/domains.hpp"
#include "tools/xl/rows.hpp"

#include <fmt/format.h>
#include <string>
#include <vector>

namespace xylem::xl::commands {

/// How one kind of device is listed. `Found` is what the store says of a device.
template <typename Found> struct DeviceListing {
    bool (*wanted)(const Device& device);
    Found (*look_at)(xenstore::Client& store, const Device& device);
    Row (*row_of)(const Device& device, const Found& found);
    std::string (*line_of)(const Device& device, const Found& found);
};

/// Prints the devices of the domains called `names`, below `heading` or as JSON.
template <typename Found>
void list_devices(const std::vector<std::string>& names, bool as_json, const std::string& heading,
                  const DeviceListing<Found>& listing)
{
    Session session;
    const std::vector<dom0::DomainInfo> domains = select(session, names);
    std::vector<Row> rows;
    if (!as_json)
        fmt::print("{}\n", heading);
    for (const dom0::DomainInfo& info : domains)
        for (const Device& device : devices_of(session.store, id_of(info))) {
            if (!listing.wanted(device))
                continue;
            const Found found = listing.look_at(session.store, device);
            if (as_json)
                rows.push_back(listing.row_of(device, found));
            else
                fmt::print("{}\n", listing.line_of(device, found));
        }
    if (as_json)
        fmt::print("{}", to_json(rows));
}

}
