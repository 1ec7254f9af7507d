// Watches, found by path.
//
// An event on a path concerns the watches on that path and on those above it: one walk along the path's components,
// whatever the number of other watches. The removal of a tree concerns also the watches below it.
#pragma once

#include "xenstore/store/path.hpp"

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace xylem::xenstore {

class Connection;

struct Watch {
    Connection* connection;
    std::string path; ///< absolute, or special
    std::string token;
    std::size_t hidden_bytes =
        0;         ///< of event paths: what precedes the part that the client, speaking relatively, knows
    u64 order = 0; ///< of registration: events of one change go out in this order
    bool has_lost_events = false; ///< see Output

    /// The event's path as this client names it.
    std::string_view as_seen(std::string_view event_path) const;
    /// What it counts of its domain's memory.
    std::size_t bytes() const { return path.size() + token.size(); }
};

class WatchIndex {
public:
    WatchIndex();
    ~WatchIndex();

    void add(Watch& watch);
    void remove(Watch& watch);

    /// There are watches on `path`, above it or below it.
    bool has_any_near(std::string_view path) const;
    /// Watches on `path` and above, in the order of their registration.
    std::vector<Watch*> covering(std::string_view path) const;
    /// Watches below `path`, without those on it, in the order of their registration.
    std::vector<Watch*> below(std::string_view path) const;

private:
    struct Level;
    const Level* level_at(std::string_view path) const;

    std::unique_ptr<Level> paths_;
    std::unique_ptr<Level> specials_;
};

}
