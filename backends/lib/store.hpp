// The store as a backend sees it. A connection to xenstored in dom0; a map in the tests.
#pragma once

#include "hypervisor/base/types.hpp"

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace xylem::backends {

/// Names relative to a folder, with their values.
using Entries = std::vector<std::pair<std::string, std::string>>;

class Store {
public:
    virtual ~Store() = default;

    /// Nothing if the node does not exist or may not be read.
    virtual std::optional<std::string> read(const std::string& path) = 0;
    /// Names of children; none if the node does not exist.
    virtual std::vector<std::string> list(const std::string& path) = 0;

    /// Writes all of `entries` below `folder` at once, if `folder` still exists: a toolstack may remove a device at any
    /// time, and a write that came after would leave its node behind for ever.
    /// @return whether it was there
    virtual bool update(const std::string& folder, const Entries& entries) = 0;

    /// Removes `folder` and what is below it. One that has gone already is no error.
    virtual void remove(const std::string& folder) = 0;

    using Handler = std::function<void(const std::string& path)>;
    /// Calls `on_change` once soon, and whenever `path` or something below it changes, until unwatch(path).
    virtual void watch(const std::string& path, Handler on_change) = 0;
    virtual void unwatch(const std::string& path) = 0;
};

/// A decimal number; nothing if the node is missing or holds anything else.
std::optional<unsigned long> read_number(Store& store, const std::string& path);
/// A number that a frontend has to give.
/// @throws std::runtime_error  it is missing, none, or more than 32 bits hold: a sentence that names the node
u32 wanted_number(Store& store, const std::string& path);
/// The folders in which a frontend has what belongs to each of its queues: queue-0 and so on, or, if there is one, its
/// own, whether it knows of more or not.
/// @throws std::runtime_error  it wants none, or more than `most`
std::vector<std::string> queue_folders(Store& store, const std::string& front, unsigned most);
/// A node that says 1 for yes; missing means no.
bool read_flag(Store& store, const std::string& path);

}
