// The store as a map, with watches, for one backend and one frontend in a test.
#pragma once

#include "backends/lib/store.hpp"

#include <map>
#include <vector>

namespace xylem::backends::test {

class MemoryStore : public Store {
public:
    std::optional<std::string> read(const std::string& path) override
    {
        const auto found = nodes.find(path);
        return found == nodes.end() ? std::nullopt : std::optional(found->second);
    }
    std::vector<std::string> list(const std::string& path) override
    {
        std::vector<std::string> names;
        for (const auto& [node, value] : nodes) {
            if (node.size() <= path.size() + 1 || node.compare(0, path.size() + 1, path + "/") != 0)
                continue;
            const std::string name = node.substr(path.size() + 1, node.find('/', path.size() + 1) - path.size() - 1);
            if (names.empty() || names.back() != name)
                names.push_back(name);
        }
        return names;
    }
    bool update(const std::string& folder, const Entries& entries) override
    {
        if (list(folder).empty())
            return false;
        for (const auto& [name, value] : entries)
            write(folder + "/" + name, value);
        return true;
    }
    void watch(const std::string& path, Handler on_change) override
    {
        watches[path] = std::move(on_change);
        changed.push_back(path);
    }
    void unwatch(const std::string& path) override { watches.erase(path); }

    void write(const std::string& path, const std::string& value)
    {
        nodes[path] = value;
        changed.push_back(path);
    }
    void remove(const std::string& folder) override
    {
        std::erase_if(nodes, [&](const auto& node) {
            return node.first == folder || node.first.compare(0, folder.size() + 1, folder + "/") == 0;
        });
        changed.push_back(folder);
    }
    /// Tells the watchers what has changed.
    void fire()
    {
        std::vector<std::string> now;
        now.swap(changed);
        for (const std::string& path : now)
            for (const auto& [watched, handler] : std::map(watches))
                if (path == watched || path.compare(0, watched.size() + 1, watched + "/") == 0 ||
                    watched.compare(0, path.size() + 1, path + "/") == 0)
                    handler(path.size() < watched.size() ? watched : path);
    }
    std::string at(const std::string& path) { return read(path).value_or("(none)"); }

    std::map<std::string, std::string> nodes;
    std::map<std::string, Handler> watches;
    std::vector<std::string> changed;
};

}
